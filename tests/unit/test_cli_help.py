"""Help is there in every installation that has the command, and waits for nothing that the command needs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import click
import pytest

from tidegauge.cli import main
from tidegauge.cli.commands.pack import FORMATS
from tidegauge.cli.commands.simulate import SCENARIOS
from tidegauge.data.synthetic import Scenario
from tidegauge.pack import ModelFormat

LIGHT = {"click", "tidegauge"}
LIST_IMPORTS = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
import tidegauge.__main__ as m
m.main()
"""


def words_of(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from words_of(command.get_command(context, name), (*words, name))


def packages_after(*words: str) -> tuple[str, set[str]]:
    """What a command prints, and the packages that Python has loaded for it."""
    run = subprocess.run([sys.executable, "-c", LIST_IMPORTS, *words], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loaded = {name.partition(".")[0] for name in json.loads(run.stderr.splitlines()[-1])}
    return run.stdout, loaded - set(sys.stdlib_module_names) - {"__main__"}


@pytest.mark.parametrize("words", list(words_of(main)), ids=" ".join)
def test_help_loads_nothing_but_click(words):
    printed, loaded = packages_after(*words, "--help")
    assert printed.startswith("Usage: ")
    assert {name for name in loaded if not name.startswith(("_", "sitecustomize"))} <= LIGHT


def test_completion_loads_nothing_but_click(monkeypatch):
    monkeypatch.setenv("_TIDEGAUGE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "tidegauge ")
    monkeypatch.setenv("COMP_CWORD", "1")
    code = LIST_IMPORTS.replace("m.main()", "sys.argv[0] = 'tidegauge'; m.main()")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "replay" in run.stdout
    assert not {"numpy", "rich", "httpx", "yaml", "pyarrow"} & set(json.loads(run.stderr.splitlines()[-1]))


def test_choices_that_help_lists_are_those_of_the_library():
    assert get_args(ModelFormat) == FORMATS
    assert tuple(scenario.value for scenario in Scenario) == SCENARIOS
