"""One row of the benchmark table. A benchmark is `bench_*.py` with ``run(quick: bool) -> list[Row]``."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """A measured figure beside its target; `met` is None where there is no target, only a figure to print."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None
    detail: dict[str, object] = field(default_factory=dict)
