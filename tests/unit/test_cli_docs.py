"""docs/cli.md names every command with all its options, and none that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tidegauge.cli import main

PAGE = (Path(__file__).parents[2] / "docs/cli.md").read_text()


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), f"{path} {name}")


ALL = dict(commands(main, "tidegauge"))
SECTIONS = dict(re.findall(r"^##+ (tidegauge .+)\n((?:(?!##).*\n)*)", PAGE, re.MULTILINE))


def options(command: click.Command) -> set[str]:
    found = (p for p in command.params if isinstance(p, click.Option))
    return {name for option in found for name in option.opts if name not in ("--help", "--version")}


def test_every_command_has_a_heading():
    assert set(SECTIONS) == set(ALL) - {"tidegauge"}


@pytest.mark.parametrize("path", sorted(set(ALL) - {"tidegauge"}))
def test_every_option_is_documented_and_no_other(path):
    first_cells = re.findall(r"^\| (`-[^|]*)\|", SECTIONS[path], re.MULTILINE)
    documented = {name for cell in first_cells for name in re.findall(r"`(-[^`]+)`", cell)}
    assert documented == options(ALL[path])


@pytest.mark.parametrize("path", sorted(ALL))
def test_every_command_and_option_explains_itself(path):
    assert ALL[path].help
    assert [p.name for p in ALL[path].params if isinstance(p, click.Option) and not p.help] == []
