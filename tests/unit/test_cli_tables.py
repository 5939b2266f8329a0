"""Tables can be read back at every width: no name and no number is cut, whatever the names are."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rich.text import Text
from support.stub_server import stub_server

import tidegauge as library
from tidegauge.cli import main
from tidegauge.cli.tables import Column, print_table
from tidegauge.report.model import Report

NAMES = [
    "customer_total_spend_last_30_days",
    "customer_total_spend_last_90_days",
    "rain [mm]",
    "rain [/h]",
    "[bold]x[/bold]",
    "a:smile:b",
    "größe",
    "温度",
    "two words and a third one",
    "a name of more than two hundred columns " + "x" * 180,
    "x",
]
SHOWN = ["kind", "type", "dtype", "cells", "missing", "mean", "sd", "min", "max"]
JUDGED = ["verdict", "severity", "D", "lower", "window", "rows", "since", "row", "time"]
TITLES = [*SHOWN, *JUDGED]
BELOW = "design effect: "  # begins what is said below a profile's table
WIDTHS = [None, 20, 40, 45, 60, 80, 120, 200, 400]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Rows whose columns have awkward names, a profile of them, and later rows that have moved."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(3)
    first = pd.DataFrame({name: rng.normal(12_345.678, 900, 4000) for name in NAMES})
    first.to_parquet(folder / "first.parquet")
    (first + 1800).to_parquet(folder / "later.parquet")
    library.Profile.fit(first).save(folder / "profile.json")
    library.Profile.fit(first + 1800).save(folder / "other.json")
    return folder


@pytest.fixture(scope="module")
def report(folder) -> bytes:
    """The document that an aggregator would answer after the later rows."""
    profile = library.Profile.load(folder / "profile.json")
    monitor = library.Monitor(profile, library.Policy(design_effect=1))
    monitor.add(0, profile.count(folder / "later.parquet"))
    return json.dumps(monitor.report(0).to_dict()).encode()


@pytest.fixture(scope="module")
def transitions(folder) -> set[tuple[str, str, str]]:
    """Feature, row and verdict of each line of a replay of the later rows."""
    lines = printed(None, *replay_of(folder), "--json").splitlines()
    found = [json.loads(line) for line in lines]
    return {(each["feature"], f"{each['row']:,}", each["verdict"]) for each in found if each["feature"]}


def replay_of(folder: Path) -> tuple[object, ...]:
    return ("replay", folder / "later.parquet", "--profile", folder, "--rows-per-pane", 1000)


def printed(width: int | None, *arguments: object) -> str:
    env = {"COLUMNS": None if width is None else str(width), "FORCE_COLOR": None}
    result = CliRunner(env=env).invoke(main, [str(each) for each in arguments], prog_name="tidegauge")
    assert result.exit_code in (0, 1, 3), result.output
    return result.stdout


def read_back(output: str, titles: list[str]) -> list[tuple[str, list[str]]]:
    """Each row's name and values in order, from a table of any of the layouts."""
    rows: list[tuple[str, list[str]]] = []
    for line in output.splitlines():
        found = [name for name in sorted(NAMES, key=len, reverse=True) if has(line, name)]
        rest = line.replace(found[0], " ", 1) if found else line
        values = rest.split()
        if values and values[0] in titles and not found:
            values = values[1:]
        if found:
            rows.append((found[0], values))
        elif rows:
            rows[-1][1].extend(values)
    return rows


def has(line: str, name: str) -> bool:
    """Whether a line holds the name as a whole word."""
    before, found, after = line.partition(name)
    return bool(found) and before[-1:] in ("", " ") and after[:1] in ("", " ")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_shown_profile_can_be_read_back(folder, width):
    profile = library.Profile.load(folder / "profile.json")
    output = printed(width, "profile", "show", folder / "profile.json")
    rows = read_back(output.partition(BELOW)[0], TITLES)
    assert rows == [(feature.name, shown_values(feature)) for feature in profile.features]


def shown_values(feature: library.NumericFeature) -> list[str]:
    moments = (feature.mean, feature.sd, feature.min, feature.max)
    return ["numeric", "number", "float64", f"{feature.cells}", "0", *(f"{x:.6g}" for x in moments)]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_report_can_be_read_back(report, width):
    with stub_server(lambda _path, _body: (200, report)) as url:
        output = printed(width, "report", "--aggregator-url", url)
    table = output[output.index("feature ") :] if "feature " in output else output
    rows = {name: values for name, values in read_back(table, TITLES) if values[0] == "Drifting"}
    for name, feature in Report.from_dict(json.loads(report)).features.items():
        numbers = [f"{feature.statistic:.3f}", f"{feature.lower:.3f}"]
        assert rows[name][:4] == ["Drifting", "critical", *numbers]
        assert "4,000" in rows[name]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_replay_can_be_read_back(folder, transitions, width):
    rows = read_back(printed(width, *replay_of(folder)), TITLES)
    found = {(name, values[0], values[1]) for name, values in rows}
    assert transitions
    assert transitions <= found


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_a_comparison_of_profiles_names_every_feature_and_number(folder, width):
    output = printed(width, "profile", "diff", folder / "profile.json", folder / "other.json")
    means = [f"{library.Profile.load(folder / 'other.json').feature(name).mean:.6g}" for name in NAMES]
    assert [name for name in NAMES if not any(has(line, name) for line in output.splitlines())] == []
    assert [mean for mean in means if mean not in output.split()] == []


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_of_another_encoding_gets_every_name(folder, encoding):
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    for command in (
        ["profile", "show", "profile.json"],
        ["profile", "diff", "profile.json", "other.json"],
        ["replay", "later.parquet", "--profile", ".", "--rows-per-pane", "1000"],
    ):
        run = subprocess.run(
            [sys.executable, "-m", "tidegauge", *command], env=env, cwd=folder, capture_output=True
        )
        assert run.returncode in (0, 1)
        assert b"Traceback" not in run.stderr
        shown = run.stdout.decode(encoding)
        for name in NAMES:
            assert name.encode(encoding, "backslashreplace").decode(encoding) in shown


@pytest.mark.slow
def test_a_terminal_that_tells_its_width_is_filled_and_not_more(folder):
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    command = [sys.executable, "-m", "tidegauge", "profile", "show", str(folder / "profile.json")]
    process = subprocess.Popen(command, stdin=child, stdout=child, env={**env, "TERM": "xterm"})
    os.close(child)
    output = b""
    try:
        while chunk := os.read(parent, 65536):
            output += chunk
    except OSError:  # how a terminal ends on Linux
        pass
    os.close(parent)
    assert process.wait(30) == 0
    table = output.decode().replace("\r", "").partition(BELOW)[0]
    lines = [Text.from_ansi(line).plain for line in table.splitlines()]
    assert "customer_total_spend_last_30_days" in lines
    assert [line for line in lines[1:] if len(line) > 60 and not line.startswith(NAMES[9][:10])] == []


def test_what_a_terminal_would_obey_is_shown_and_not_obeyed(capsys):
    print_table([Column("feature", names=True), Column("n")], [("a\x1b[2Jb\nc\u202ed\u00a0e", "1")])
    assert capsys.readouterr().out.splitlines()[-1].split() == [r"a\x1b[2Jb\nc\u202ed\xa0e", "1"]


# --- wide data ---------------------------------------------------------------------------------------------

MANY = 200


def many(columns: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(columns)
    units = ("[mm]", "[/h]", "größe", "°C", "")
    names = [f"sensor {i:03} of the north wing {units[i % 5]}".strip() for i in range(columns)]
    return pd.DataFrame({name: rng.normal(10.0**i % 1e7 + shift, 1, 500) for i, name in enumerate(names)})


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 120, MANY])
@pytest.mark.parametrize("width", [None, 30, 80, 200])
def test_data_of_many_columns_are_shown_whole(columns, width, tmp_path):
    frame, moved = many(columns), many(columns, shift=5)
    profile = library.Profile.fit(frame)
    profile.save(tmp_path / "profile.json")
    library.Profile.fit(moved).save(tmp_path / "other.json")
    moved.to_parquet(tmp_path / "later.parquet")
    shown = printed(width, "profile", "show", tmp_path / "profile.json").split()
    for feature in profile.features:
        assert {f"{x:.6g}" for x in (feature.mean, feature.sd, feature.min, feature.max)} <= {*shown}
    for command in (
        ("profile", "show", tmp_path / "profile.json"),
        ("profile", "diff", tmp_path / "profile.json", tmp_path / "other.json"),
        ("replay", tmp_path / "later.parquet", "--profile", tmp_path, "--rows-per-pane", 500),
    ):
        lines = printed(width, *command).splitlines()
        assert [name for name in frame if not any(has(line, name) for line in lines)] == []
        assert not any("\u2026" in line for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_many_columns_go_through_a_pipe_of_any_encoding(encoding, tmp_path):
    library.Profile.fit(many(MANY)).save(tmp_path / "profile.json")
    command = [sys.executable, "-m", "tidegauge", "profile", "show", "profile.json"]
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=True)
    output = run.stdout.decode(encoding)
    assert all(f"sensor {i:03} of the north wing" in output for i in range(MANY))
    assert max(map(len, output.splitlines())) < 200, "numbers stand beside their names"
