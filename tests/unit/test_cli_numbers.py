"""Numbers of options are read as the programs' settings are, with the same words for a mistake."""

import click
import pytest
from support.command_line import assert_one_line_error, tidegauge

from tidegauge.cli import main
from tidegauge.cli.options import Number

PYTHONS_OWN = (click.types.IntParamType, click.types.FloatParamType)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("up --port 8_0", "--port 8_0: it must be a whole number from 0 to 65535"),
        ("up --aggregator-port 65536", "--aggregator-port 65536: it must be a whole number from 0 to 65535"),
        ("up --replicas 1_0", "--replicas 1_0: it must be a whole number from 1 to 64"),
        ("simulate --connections 0", "--connections 0: it must be a whole number from 1 to 256"),
        ("simulate --rate 1_0", "--rate 1_0: it must be a number above 0"),
        ("simulate --rate inf", "--rate inf: it must be a number above 0"),
        ("simulate --seed 1.5", "--seed 1.5: it must be a whole number"),
        ("simulate --shift nan", "--shift nan: it must be a number"),
        ("pack --cut-points 1e3", "--cut-points 1e3: it must be a whole number"),
    ],
)
def test_what_is_no_number_is_one_line_with_its_rule(words: str, message: str) -> None:
    result = tidegauge(*words.split())
    assert_one_line_error(result, message)
    assert result.stderr == f"tidegauge: {message}\n"


@pytest.mark.parametrize("given", ["1_0", "nan", "inf", "1e400", "٣", "0x10", "1h 30m", "", "-"])
@pytest.mark.parametrize("option", ["simulate --for", "replay --pane", "report --timeout", "up --pane"])
def test_what_is_no_duration_is_refused_by_every_option_of_a_duration(option: str, given: str) -> None:
    result = tidegauge(*option.split(), given)
    name = option.split()[1]
    shown = {"": "''", "1h 30m": "'1h 30m'", "٣": "'٣'"}.get(given, given)
    assert result.exit_code == 2
    assert f"{name} {shown}: it must be" in result.stderr


def test_no_option_is_read_by_pythons_own_rule_for_numbers() -> None:
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    groups = [command for command in commands if isinstance(command, click.Group)]
    commands += [sub for group in groups for sub in group.commands.values()]
    types = [(c.name, p.name, p.type) for c in commands if c for p in c.params]
    assert sum(isinstance(kind, Number) for _, _, kind in types) >= 12
    assert not [each for each in types if isinstance(each[2], PYTHONS_OWN)]


def test_numbers_arrive_as_numbers() -> None:
    assert Number(float).convert("0.5", None, None) == 0.5
