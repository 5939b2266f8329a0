"""Every setting in seconds takes a number of them, or a duration as in YAML: in all four programs."""

from importlib import import_module
from pathlib import Path

import pytest
from support.four_programs import PROGRAMS, TABLES, Four, four_programs

from tidegauge.kit import kinds
from tidegauge.kit.settings import Setting, settings_of
from tidegauge.protocol.duration import RULE

FLAGS = {
    "--retention-seconds": "aggregator",
    "--pane-seconds": "sidecar",
    "--report-seconds": "operator",
    "--batch-wait-seconds": "serving",
    "--drain-seconds": "serving",
}
RULES = {
    "--retention-seconds": "a whole number of at least 3600",
    "--pane-seconds": "a whole number from 1 to 86400",
    "--report-seconds": "a number above 0",
    "--batch-wait-seconds": "a number from 0 to 10",
    "--drain-seconds": "a number of at least 0",
}
WRONG = ["8_0s", "1 m", "-1s", "1x", "", "1.5h", "1s1d", "s", "٣s", "1M", "1d-1s", "10s\x00", "+5s", "1e3s"]


def row_of(flag: str) -> Setting:
    (row,) = [row for _, row in settings_of(TABLES[FLAGS[flag]]) if row.flag == flag]
    return row


def rule_of(flag: str) -> str:
    return f"it must be {RULES[flag]}, in seconds, or a duration: {RULE}"


def test_each_setting_in_seconds_is_listed() -> None:
    rows = [row for program in PROGRAMS for _, row in settings_of(TABLES[program])]
    in_seconds = {row.flag for row in rows if row.flag.endswith("-seconds")}
    assert in_seconds == {row.flag for row in rows if row.unit == "duration"} == set(FLAGS)


@pytest.mark.parametrize("flag", FLAGS)
def test_a_number_and_a_duration_say_the_same(flag: str) -> None:
    read = row_of(flag).read
    seconds = 10 if flag == "--batch-wait-seconds" else 5400
    durations = ["10s", " 0m10s\n"] if seconds == 10 else ["5400s", "90m", "1h30m", "30m1h"]
    assert [read(text) for text in (str(seconds), *durations)] == [seconds] * (1 + len(durations))
    assert {type(read(text)) for text in durations} == {type(read(str(seconds)))}


def test_long_and_broken_seconds_are_read_as_before() -> None:
    assert row_of("--retention-seconds").read("2592000") == row_of("--retention-seconds").read("30d")
    assert row_of("--batch-wait-seconds").read("0.002") == 0.002
    assert row_of("--report-seconds").read("2.5e-1") == 0.25
    assert row_of("--drain-seconds").read("0") == row_of("--drain-seconds").read("0s") == 0


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("flag", FLAGS)
def test_what_is_no_duration_is_refused_by_a_rule_that_names_both_forms(flag: str, text: str) -> None:
    with pytest.raises(ValueError, match="it must be") as refused:
        row_of(flag).read(text)
    assert str(refused.value) == rule_of(flag)


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--retention-seconds", "59m59s"),
        ("--retention-seconds", "0s"),
        ("--pane-seconds", "0h"),
        ("--pane-seconds", "1d1s"),
        ("--pane-seconds", "1.5"),
        ("--report-seconds", "0s"),
        ("--batch-wait-seconds", "11s"),
        ("--batch-wait-seconds", "1m"),
    ],
)
def test_a_duration_keeps_the_bounds_of_its_setting(flag: str, text: str) -> None:
    with pytest.raises(ValueError, match="in seconds, or a duration"):
        row_of(flag).read(text)


def test_the_bounds_themselves_are_allowed() -> None:
    read = kinds.whole_seconds(60, 86_400)
    assert [read(text) for text in ("1m", "60", "1d", "24h", "86400s")] == [60, 60, 86_400, 86_400, 86_400]


@pytest.mark.parametrize("text", ["8_0s", "1 m", "-1s", "1x", ""])
@pytest.mark.parametrize("flag", FLAGS)
def test_a_wrong_flag_or_variable_is_one_line_that_names_it(
    flag: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, variable = FLAGS[flag], str(row_of(flag).variable)
    parse_settings = import_module(f"tidegauge_{program}.settings").parse_settings
    needed = Four(tmp_path).needed(program)
    sources = [(flag, [f"{flag}={text}"], {}), (variable, [], {variable: text})]
    for source, flags, variables in sources[: 2 if text else 1]:  # an empty variable counts as not set
        with pytest.raises(SystemExit, match="2"):
            parse_settings([*needed, *flags], variables)
        assert capsys.readouterr().err == f"tidegauge-{program}: {source} '{text}': {rule_of(flag)}\n"


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_takes_its_durations_and_refuses_what_is_none(program: str, tmp_path: Path) -> None:
    four = four_programs(tmp_path)
    rows = [row_of(flag) for flag in FLAGS if FLAGS[flag] == program]
    ended = four.ended(program, variables={str(row.variable): "8_0s" for row in rows})
    assert ended.stderr.splitlines() == [
        f"tidegauge-{program}: {row.variable} '8_0s': {rule_of(row.flag)}" for row in rows
    ]
    assert ended.returncode == 2
    right = [f"{row.flag}={'10s' if row.flag == '--batch-wait-seconds' else '1h'}" for row in rows]
    ended = four.ended(program, *right, "--port=none")
    assert [line.split()[1] for line in ended.stderr.splitlines()] == ["--port"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_says_what_a_duration_is(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        import_module(f"tidegauge_{program}.settings").parse_settings(["--help"], {})
    shown = capsys.readouterr().out
    assert "A DURATION is a number of seconds, or such as 30d, 1h30m or 10s." in shown
    for flag in (flag for flag in FLAGS if FLAGS[flag] == program):
        assert f"{flag} DURATION" in shown
        assert f"[{row_of(flag).variable}, default {row_of(flag).default}]" in shown
