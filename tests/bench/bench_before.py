"""This tree against an older revision, in pairs: ``BEFORE=REVISION make bench ARGS=before``.

The server under load, both in turns; and what counting, evaluation, null and delay print in each tree.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench.rows import Row
from bench.serving_pairs import Turns, take_turns
from bench.serving_setup import Server, consume, log_folder, our_server, packed, plain_bodies

ROOT = Path(__file__).parents[2]
LIBRARY = ("counting", "evaluation", "null", "delay")
NOW, BEFORE = "now", "before"
PROGRAMS = ("", "tests", "serving", "drift_sidecar", "aggregator", "operator")


def run(quick: bool) -> list[Row]:
    revision = os.environ.get("BEFORE", "")
    if not revision:
        raise SystemExit("name the revision to compare with: BEFORE=REVISION make bench ARGS=before")
    rounds = 5 if quick else 30
    with tempfile.TemporaryDirectory() as name:
        tree = unpacked(revision, Path(name))
        rows = [row for model in ("forest", "linear") for row in _serving(model, tree, rounds)]
        return rows + [row for bench in LIBRARY for row in _library(bench, tree, quick=quick)]


def unpacked(revision: str, folder: Path) -> Path:
    """A revision's files in a folder of their own."""
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)
    return folder


# --- the server ----------------------------------------------------------------------------------------


def _serving(model: str, tree: Path, rounds: int) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as folder, log_folder() as log, log_folder() as old_log:
        trained, bundle = packed(Path(folder), model)
        old_bundle = _packed_by(tree, trained)
        with our_server(bundle, log) as now, our_server(old_bundle, old_log, tree) as before:
            servers = {NOW: now, BEFORE: before}
            _take_turns(servers, 8, 1, [log, old_log])  # warms up
            for connections in (1, 8, 32):
                print(f"before: {model}, {connections} connections", file=sys.stderr)
                turns = _take_turns(servers, connections, rounds, [log, old_log])
                rows += _rows(f"{model}, {connections} connections", turns)
    return rows


def _packed_by(tree: Path, trained: Path) -> Path:
    """The bundle that another tree makes of the same trained model: it may not read today's."""
    bundle = trained.with_suffix(".before")
    command = [sys.executable, "-P", "-m", "tidegauge", "pack", "--model", trained, "--target", "price"]
    command += ["--data", trained.parent / "train.parquet", "--output", bundle]
    subprocess.run(command, env=_environment(tree), check=True, capture_output=True)
    return bundle


def _environment(tree: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(tree / program) for program in PROGRAMS)}


def _take_turns(servers: dict[str, Server], connections: int, rounds: int, logs: list[Path]) -> Turns:
    def between() -> None:
        for log in logs:
            consume(log)

    return take_turns(servers, "/predict", plain_bodies(), connections, rounds, 0.5, between)


def _rows(what: str, turns: Turns) -> list[Row]:
    pairs = len(turns.loads[NOW])
    tail = turns.ratio(NOW, BEFORE, lambda load: load.p99_seconds)
    rate = turns.ratio(NOW, BEFORE, lambda load: load.per_second)
    tails = [turns.median(who, lambda load: load.p99_seconds) * 1e3 for who in (NOW, BEFORE)]
    costs = [turns.core_seconds(who) * 1e6 for who in (NOW, BEFORE)]
    return [
        Row(
            f"{what}: p99, now against before, {pairs} pairs",
            f"{tail:.2f} x ({tails[0]:.2f} against {tails[1]:.2f} ms)",
            "< 1 x",
            tail < 1,
        ),
        Row(f"{what}: requests/s, now against before", f"{rate:.2f} x", ">= 1 x", rate >= 1),
        Row(f"{what}: processor time of a request", f"{costs[0]:.0f} against {costs[1]:.0f} us"),
    ]


# --- the library ---------------------------------------------------------------------------------------


def _library(name: str, tree: Path, *, quick: bool) -> list[Row]:
    """A benchmark of the library in both trees in turns, three times; one row for each of its rows."""
    found: dict[str, list[dict[str, str]]] = {NOW: [], BEFORE: []}
    for number in range(3):
        trees = [(NOW, ROOT), (BEFORE, tree)]
        for who, where in trees if number % 2 else reversed(trees):
            print(f"before: {name}, {who}, {number + 1} of 3", file=sys.stderr)
            found[who].append(_figures(name, where, quick=quick))
    common = [what for what in found[NOW][0] if what in found[BEFORE][0]]
    return [_library_row(name, what, found) for what in common]


def _figures(name: str, tree: Path, *, quick: bool) -> dict[str, str]:
    """What a benchmark prints in a tree."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", "-m", "bench", name, *(["--quick"] if quick else [])]
        subprocess.run(command, cwd=folder, env=_environment(tree), stdout=subprocess.DEVNULL, check=False)
        rows = json.loads((Path(folder) / "bench-results" / f"{name}.json").read_text())["rows"]
    return {row["what"]: row["figure"] for row in rows}


def _library_row(name: str, what: str, found: dict[str, list[dict[str, str]]]) -> Row:
    now, before = (statistics.median(map(partial(_first, what), found[who])) for who in (NOW, BEFORE))
    return Row(f"{name}: {what}", f"{now:g} against {before:g} before, medians of 3")


def _first(what: str, figures: dict[str, str]) -> float:
    """The first number of a figure."""
    return float(re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", figures[what])[0].replace(",", ""))
