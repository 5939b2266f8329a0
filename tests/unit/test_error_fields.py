"""An error carries what was given, the rule and the next step; nothing is read out of its sentence."""

import ast
import copy
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from support.command_line import tidegauge as run

import tidegauge
from tidegauge.cli import main
from tidegauge.cli.words import OPTIONS, in_options
from tidegauge.errors import TidegaugeError, TidegaugeWarning
from tidegauge.telling import NOT_GIVEN, Argument

ROOT = Path(__file__).parents[2]
FRAME = {"x": np.arange(10.0)}
PROFILE = tidegauge.Profile.fit(FRAME)


def fit(**options: Any) -> Callable[[], object]:
    return lambda: tidegauge.Profile.fit(FRAME, **options)


def policy(**options: Any) -> Callable[[], object]:
    return lambda: tidegauge.Policy(**options)


def replay(**options: Any) -> Callable[[], object]:
    return lambda: tidegauge.replay(PROFILE, FRAME, **options)


FAULTS: dict[str, tuple[Callable[[], object], str, tuple[str, ...], object]] = {
    "cut points": (fit(cut_points=0), "cut_points", (), 0),
    "a dtype": (fit(dtypes={"x": "int8"}), "dtypes", ("x",), "int8"),
    "no features": (fit(feature_names=[]), "feature_names", (), ()),
    "no such column to exclude": (fit(exclude=["z"]), "exclude", (), ["z"]),
    "no such column of times": (fit(time="when"), "time", (), "when"),
    "hours without times": (fit(hour_of_day=True), "hour_of_day", (), True),
    "a budget": (policy(false_alarms=-1), "false_alarms", (), -1),
    "a period": (policy(period="soon"), "period", (), "soon"),
    "a floor": (policy(min_effect={"warning": 2}), "min_effect", ("warning",), 2),
    "a feature's floor": (policy(per_feature={"x": {"critical": -1}}), "per_feature", ("x", "critical"), -1),
    "scales": (policy(scales=99), "scales", (), 99),
    "rows of a pane": (replay(rows_per_pane=0), "rows_per_pane", (), 0),
    "a pane without times": (replay(pane="1h"), "pane", (), "1h"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_error_names_argument_and_value_as_fields(name: str) -> None:
    act, argument, keys, value = FAULTS[name]
    with pytest.raises(TidegaugeError) as caught:
        act()
    error = caught.value
    assert (error.argument, error.keys, error.value) == (argument, keys, value)
    assert error.rule
    assert argument in str(error)


@pytest.mark.parametrize("name", FAULTS)
def test_an_error_keeps_its_fields_through_pickle_and_copy(name: str) -> None:
    with pytest.raises(TidegaugeError) as caught:
        FAULTS[name][0]()
    for other in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert str(other) == str(caught.value)
        assert in_options(other) == in_options(caught.value)


def test_a_file_is_put_in_front_of_a_message_once() -> None:
    error = TidegaugeError("it is empty", step="write it again").located("a.csv").located("b.csv")
    assert str(error) == "a.csv: it is empty: write it again"
    assert error.where == "a.csv"


def test_an_error_about_no_argument_has_none() -> None:
    error = TidegaugeError("a shard of a shard")
    assert (error.argument, error.value, error.step) == ("", NOT_GIVEN, "")


def test_text_that_looks_like_an_argument_stays_as_it_is() -> None:
    """A file called ``time='x'`` is no option: nothing is looked for in the sentence."""
    message = "time='x' exclude=['id'] min_effect['warning']=2 dtypes={'x': 'float32'} (or 'float64')"
    assert in_options(TidegaugeError(message)) == message


@pytest.mark.parametrize(
    ("argument", "python", "option"),
    [
        (Argument("exclude", ["id"]), "exclude=['id']", "--exclude id"),
        (Argument("exclude", ["it's"]), 'exclude=["it\'s"]', "--exclude 'it'\"'\"'s'"),
        (Argument("dtypes", {"m": "float32"}), "dtypes={'m': 'float32'}", "--float32 m"),
        (Argument("hour_of_day", True), "hour_of_day=True", "--hour-of-day"),
        (Argument("time"), "time=", "--time"),
        (Argument("min_effect", 2, ("warning",)), "min_effect['warning']=2", "--warning 2"),
        (Argument("cut_points", [1, 2], wrong=True), "cut_points=a list of 2", "--cut-points"),
        (Argument("scales", 99, wrong=True), "scales=99", "scales=99"),
    ],
)
def test_an_argument_is_written_for_python_and_for_a_shell(
    argument: Argument, python: str, option: str
) -> None:
    error = TidegaugeError((argument, " it is"))
    assert str(error) == f"{python} it is"
    assert in_options(error) == f"{option} it is"


def test_a_warning_has_the_same_parts() -> None:
    frame = {"x": np.arange(10.0), "m": np.array(["seven", *range(9)], dtype=object)}
    with pytest.warns(UserWarning, match=r"categorical=\['m'\]") as caught:
        tidegauge.Profile.fit(frame)
    (message,) = (each.message for each in caught)
    assert isinstance(message, TidegaugeWarning)
    assert "--float32 m" in in_options(message)


def test_every_option_that_messages_name_is_one_of_a_command() -> None:
    def options(command: click.Command) -> set[str]:
        context = click.Context(command)
        if isinstance(command, click.Group):
            inner = (command.get_command(context, name) for name in command.list_commands(context))
            return set().union(*(options(each) for each in inner if each is not None))
        return {name for parameter in command.params for name in parameter.opts}

    assert set(OPTIONS.values()) <= options(main)


def test_no_module_of_the_command_line_looks_into_a_sentence() -> None:
    """No regular expression, and no search in an error's text."""
    for path in (ROOT / "tidegauge" / "cli").rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
        assert "re" not in names, path


def test_a_column_that_is_not_utf_8_is_found_by_itself(tmp_path: Path) -> None:
    """Also where its name and its neighbours would lead astray who reads pyarrow's sentence."""
    rows = b"".join(b"%d,caf\xc3\xa9,\xe9t\xe9\n" % row for row in range(5))
    path = tmp_path / "CSV column #0.csv"
    path.write_bytes(b"a,CSV column #1,c\n" + rows)
    with pytest.raises(tidegauge.SchemaError, match=r"column 'c' of .* is not in UTF-8"):
        PROFILE.count(path)


def test_a_suggested_option_can_be_typed_for_a_hostile_name() -> None:
    line = in_options(TidegaugeError("x", argument=Argument("exclude", ["a' --critical='9"])))
    words = subprocess.run(
        ["sh", "-c", f"printf '%s\\0' {line.removesuffix(': x')}"], capture_output=True, text=True, check=True
    ).stdout.split("\0")
    assert words[:2] == ["--exclude", "a' --critical='9"]


def test_the_policy_of_a_document_names_the_option_beside_it(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("x\n1\n2\n")
    PROFILE.save(tmp_path / "p.json")
    document = ROOT / "examples" / "house-prices" / "dmm.yaml"
    line = ("replay", data, "--profile", tmp_path / "p.json", "--rows-per-pane", 1, "-f", document)
    said = run(*line, "--period", "30d").stderr
    assert "holds the policy: --period 30d cannot be given beside it" in said
