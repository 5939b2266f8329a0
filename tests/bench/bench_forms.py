"""Which form each kind of model is packed in, and how near its answers are on rows that nobody compared."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from bench.rows import Row
from support.forms import Case, boosters, outcome, scikit_learn

QUICK_EVERY = 12


def run(quick: bool) -> list[Row]:
    """A row for each model: its form and its largest differences, or why it is refused."""
    cases = [*scikit_learn(), *boosters()]
    return [_row(case) for case in _chosen(cases, quick)]


def _chosen(cases: list[Case], quick: bool) -> Iterable[Case]:
    return cases[::QUICK_EVERY] if quick else cases


def _row(case: Case) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        found = outcome(case, Path(folder))
    figure = f"{found.difference:.1e}" if found.format else found.reason[:200]
    if found.probability is not None:
        figure += f", probability {found.probability:.1e}"
    return Row(
        f"{case.source} {case.name}: {found.format or 'refused'}",
        figure,
        "<= 1e-5, or refused",
        found.keeps(case),
        {"form": found.format, "difference": found.difference, "probability": found.probability},
    )
