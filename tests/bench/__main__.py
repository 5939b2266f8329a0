"""``python -m bench [NAME ...] [--quick]``: run the benchmarks, print a table, write a JSON file of each."""

import argparse
import importlib
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path

from bench.rows import Row
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ONLY_BY_NAME = {"cluster", "before"}  # one needs root, containers, half an hour; one a revision
OUTPUT = Path("bench-results")


def main() -> int:
    names = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    which = f"which ones (default: all but {', '.join(sorted(ONLY_BY_NAME))}): {', '.join(names)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=which)
    parser.add_argument("--quick", action="store_true", help="smaller runs, for a look; rougher figures")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names)
    if unknown:
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wanted = arguments.names or [name for name in names if name not in ONLY_BY_NAME]
    rows = {name: _run(name, quick=arguments.quick) for name in wanted}
    _print(rows)
    _write(rows, quick=arguments.quick)
    return int(any(row.met is False for group in rows.values() for row in group))


def _run(name: str, *, quick: bool) -> list[Row]:
    started = time.monotonic()
    rows: list[Row] = importlib.import_module(f"bench.bench_{name}").run(quick)
    print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return rows


def _print(rows: dict[str, list[Row]]) -> None:
    table = Table("benchmark", "what", "figure", "target", "reached")
    for name, group in rows.items():
        for row in group:
            reached = {True: "yes", False: "NO", None: ""}[row.met]
            table.add_row(name, row.what, row.figure, row.target, reached)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _write(rows: dict[str, list[Row]], *, quick: bool) -> None:
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    OUTPUT.mkdir(exist_ok=True)
    for name, group in rows.items():
        result = {"quick": quick, "machine": machine, "rows": [asdict(row) for row in group]}
        (OUTPUT / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {', '.join(f'{OUTPUT}/{name}.json' for name in rows)}")


if __name__ == "__main__":
    sys.exit(main())
