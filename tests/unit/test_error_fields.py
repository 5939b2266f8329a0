"""An error carries what was given, the rule and the next step; nothing is read out of its sentence."""

import ast
import copy
import json
import pickle
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from support.command_line import tidegauge as run

import tidegauge
from tidegauge.cli import main
from tidegauge.cli.option_names import OPTIONS, in_options
from tidegauge.errors import ResourceError, TidegaugeError, TidegaugeWarning
from tidegauge.protocol.bundle import Manifest
from tidegauge.protocol.pane import Pane
from tidegauge.resource import load as load_resource
from tidegauge.telling import NOT_GIVEN, Argument, joined

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

DOCUMENT = PROFILE.to_dict()
CITIES_ROWS = {"x": np.arange(10.0), "city": ["a", "b"] * 5}
CITIES = tidegauge.Profile.fit(CITIES_ROWS)
OTHER = tidegauge.Profile.fit({"x": np.arange(9.0)})
COUNTS = PROFILE.count(FRAME)
FEATURE = PROFILE.features[0]
HEAD = {"model": "m", "profile": PROFILE.hash, "pane": 1, "pane_seconds": 10, "instance": "i", "counts": b""}
RESOURCE = (ROOT / "examples" / "house-prices" / "dmm.yaml").read_text()


def count(rows: Any) -> Callable[[], object]:
    return lambda: PROFILE.count(rows)


def document(**fields: Any) -> Callable[[], object]:
    return lambda: tidegauge.Profile.from_dict(DOCUMENT | fields)


def feature(**fields: Any) -> Callable[[], object]:
    return lambda: replace(FEATURE, **fields)


def pane(**fields: Any) -> Callable[[], object]:
    return lambda: Pane(**{"rows": 0, **HEAD, **fields})


def resource(find: str, put: str) -> Callable[[], object]:
    assert find in RESOURCE
    return lambda: load_resource(RESOURCE.replace(find, put))


def manifest(**fields: Any) -> Callable[[], object]:
    return lambda: Manifest.from_json(json.dumps(fields).encode())


FOUND: dict[str, tuple[Callable[[], object], str, tuple[str, ...], object]] = {
    "a field of a profile": (document(rows=-1), "rows", (), -1),
    "a profile of another version": (document(schema="v9"), "schema", (), "v9"),
    "another hash": (document(hash="ab"), "hash", (), "ab"),
    "features that are no list": (document(features={}), "features", (), {}),
    "a field of a feature": (
        document(features=[DOCUMENT["features"][0] | {"missing": 1.5}]),
        "features[0].missing",
        (),
        1.5,
    ),
    "a feature of no kind": (document(features=[{"kind": "ordinal"}]), "features[0].kind", (), "ordinal"),
    "a feature's dtype": (feature(dtype="int8"), "dtype", (), "int8"),
    "a feature's mean": (feature(mean=float("inf")), "mean", (), float("inf")),
    "a feature's name": (feature(name=""), "name", (), ""),
    "a feature that is not there": (lambda: PROFILE.feature("z"), "name", (), "z"),
    "too many shards": (lambda: PROFILE.shard(0, 5), "of", (), 5),
    "KS of a category": (lambda: CITIES.count(CITIES_ROWS).ks("city"), "name", (), "city"),
    "a shard of another profile": (lambda: COUNTS.select(OTHER), "shard", (), OTHER),
    "counts that do not add": (lambda: COUNTS + OTHER.count(FRAME), "counts", (), OTHER),
    "rows of another shape": (lambda: PROFILE.count_matrix(np.ones((2, 3))), "matrix", (), (2, 3)),
    "rows that are none": (count(7), "rows", (), 7),
    "a row that is none": (count([{"x": 1.0}, 3]), "rows", ("1",), 3),
    "a value of another type": (count({"x": ["many"]}), "rows", ("x",), "many"),
    "a column of no values": (count({"x": 3}), "rows", ("x",), 3),
    "columns of two lengths": (count({"x": [1.0], "y": [1.0, 2.0]}), "rows", ("y",), 2),
    "rows without a column": (count({"y": [1.0]}), "rows", ("x",), NOT_GIVEN),
    "a column of times": (
        lambda: tidegauge.Profile.fit({"day": ["2024-01-31", "2024-02-01"]}),
        "rows",
        ("day",),
        "2024-01-31",
    ),
    "more times than rows": (
        lambda: tidegauge.Profile.fit({"x": [1.0, 2.0]}, time=np.arange(3.0)),
        "time",
        (),
        3,
    ),
    "a floor above the other": (policy(min_effect={"warning": 0.5}), "min_effect", ("warning",), 0.5),
    "a floor of no feature": (
        lambda: tidegauge.Monitor(PROFILE, tidegauge.Policy(per_feature={"z": {"warning": 0.1}})),
        "per_feature",
        ("z",),
        "z",
    ),
    "a profile that is none": (lambda: tidegauge.replay("p", FRAME), "profile", (), "p"),
    "a policy that is none": (replay(rows_per_pane=5, policy=3), "policy", (), 3),
    "panes": (lambda: tidegauge.Monitor(PROFILE).add(1, COUNTS, panes=3), "panes", (), 3),
    "a monitor's other counts": (
        lambda: tidegauge.Monitor(PROFILE).add(1, OTHER.count(FRAME)),
        "counts",
        (),
        OTHER,
    ),
    "a pane's rows": (pane(rows=-1), "rows", (), -1),
    "a pane's instance": (pane(instance="Pod 1"), "instance", (), "Pod 1"),
    "a report of another version": (
        lambda: tidegauge.Report.from_dict({"schema": "v9"}),
        "schema",
        (),
        "v9",
    ),
    "a manifest of another version": (manifest(schema="v9"), "schema", (), "v9"),
    "a resource's field": (
        resource("storageUri:", "storageUrl:"),
        "",
        (),
        NOT_GIVEN,
    ),
    "a resource's kind": (resource("kind: DriftMonitoredModel", "kind: Model"), "kind", (), "Model"),
}


@pytest.mark.parametrize("name", FOUND)
def test_an_error_names_the_field_or_column_and_its_value(name: str) -> None:
    """What is no argument of the call has its own words in the message, and the same fields."""
    act, argument, keys, value = FOUND[name]
    with pytest.raises(TidegaugeError) as caught:
        act()
    error = caught.value
    assert (error.argument, error.keys, error.value) == (argument, keys, value)
    assert error.rule
    assert str(error).count(joined(error.rule, str)) == 1


def test_a_column_that_is_called_like_an_argument_is_no_option() -> None:
    profile = tidegauge.Profile.fit({"warning": [1.0, 2.0]})
    with pytest.raises(TidegaugeError) as caught:
        profile.count({"warning": ["many"]})
    assert in_options(caught.value).startswith("feature 'warning' of row 0 is the text 'many': ")


def test_each_of_several_mistakes_is_an_error_of_its_own(tmp_path: Path) -> None:
    text = RESOURCE.replace("kind: DriftMonitoredModel", "kind: Model").replace("storageUri:", "storageUrl:")
    with pytest.raises(ResourceError, match="3 mistakes") as caught:
        load_resource(text)
    by_path = {each.argument: each.value for each in caught.value.located(tmp_path).mistakes}
    assert by_path == {
        "kind": "Model",
        "spec.model.storageUrl": NOT_GIVEN,
        "spec.model.storageUri": NOT_GIVEN,
    }


def test_a_rule_between_fields_names_one_of_them() -> None:
    text = RESOURCE.replace("spec:", "spec:\n  autoscaling: {minReplicas: 5, maxReplicas: 3}", 1)
    with pytest.raises(ResourceError) as caught:
        load_resource(text.replace("  replicas: 2\n", ""))
    errors = caught.value.mistakes or (caught.value,)
    assert ("spec.autoscaling.minReplicas", 5) in [(each.argument, each.value) for each in errors]


WARNED: dict[str, tuple[Callable[[], object], str, object]] = {
    "numbers and texts": (lambda: tidegauge.Profile.fit({"m": ["x", *range(9)]}), "m", NOT_GIVEN),
    "written numbers": (lambda: tidegauge.Profile.fit({"m": ["1,5", "2,5"]}), "m", "1,5"),
    "an identifier": (
        lambda: tidegauge.Profile.fit({"user_id": [f"u{i}" for i in range(5000)]}),
        "user_id",
        NOT_GIVEN,
    ),
    "no values": (lambda: tidegauge.Profile.fit({"x": [1.0], "gone": [None]}), "gone", NOT_GIVEN),
}


@pytest.mark.parametrize("name", WARNED)
def test_a_warning_names_its_column(name: str) -> None:
    act, column, value = WARNED[name]
    with pytest.warns(TidegaugeWarning) as caught:
        act()
    messages = [each.message for each in caught if isinstance(each.message, TidegaugeWarning)]
    assert [(each.argument, each.keys, each.value) for each in messages] == [("rows", (column,), value)]


PACKAGES = ("tidegauge", "serving", "drift_sidecar", "aggregator", "operator")
ERRORS = {
    name for name in vars(tidegauge.errors) if name.endswith(("Error", "Warning", "Mismatch", "NotFound"))
}


def calls_without_fields(path: Path) -> list[int]:
    """Lines where an error is made whose sentence shows a value with `told`, and no field holds it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            shows = [
                each
                for argument in node.args
                for each in ast.walk(argument)
                if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "told"
            ]
            if shows and not any(keyword.arg == "argument" for keyword in node.keywords):
                found.append(node.lineno)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_a_value_in_a_message_is_a_field_too(package: str) -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for path in sorted((ROOT / package).rglob("*.py"))
        if (lines := calls_without_fields(path))
    }
    assert not found


def test_an_error_without_fields_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "raise WireError(f'rows is {told(rows)}')\nraise WireError('x', argument=found('r', 1, ''))"
    )
    assert calls_without_fields(wrong) == [1]


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


def test_an_error_about_no_argument_has_no_argument_field() -> None:
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
