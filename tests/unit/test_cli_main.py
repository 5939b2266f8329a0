"""The command as a whole: version, help, errors."""

import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from support.command_line import assert_one_line_error, tidegauge

import tidegauge as library
from tidegauge.local.supervisor import restart_wait
from tidegauge.protocol.bundle import Manifest

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_librarys():
    assert tidegauge("--version").stdout.split()[-1] == library.__version__


def test_help_lists_every_command():
    listed = tidegauge("--help").stdout
    assert all(name in listed for name in ("pack", "profile", "replay", "report", "simulate", "up"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["reprot"], "tidegauge has no command reprot; did you mean report?"),
        (["Replay"], "did you mean replay?"),
        (["profile", "shwo"], "did you mean show?"),
        (["serve"], "there are pack, profile, replay, report, simulate, up"),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(arguments, told):
    result = tidegauge(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "arguments", "advice"),
    [
        ("click", ["--version"], "the command needs click: in a checkout pip install '.[cli]'"),
        ("rich", ["report"], "report needs rich: in a checkout pip install '.[cli]'"),
        (
            "pandas",
            ["pack", "--model", "pyproject.toml", "--data", "pyproject.toml", "-o", "nowhere"],
            "pack needs pandas: in a checkout pip install '.[cli,pack]'",
        ),
    ],
)
def test_what_is_not_installed_is_named_with_what_to_install(module, arguments, advice):
    """As after ``pip install tidegauge``, which brings the library alone."""
    code = f"import sys; sys.modules[{module!r}] = None; import tidegauge.__main__ as m; m.main()"
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert (run.returncode, run.stdout) == (1 if module == "click" else 2, "")
    assert run.stderr == f"tidegauge: {advice}\n"


@pytest.mark.slow
def test_files_without_pyarrow_are_refused_with_what_to_install():
    code = "import sys; sys.modules['pyarrow'] = None; import tidegauge; tidegauge.Profile.fit('train.csv')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "train.csv: files are read with pyarrow: in a checkout pip install '.[cli]'" in run.stderr


@pytest.mark.slow
def test_report_does_not_import_what_only_packing_needs():
    heavy = {"sklearn", "pandas", "scipy", "onnxruntime"}
    code = f"import sys, tidegauge.cli.report; print({heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.slow
def test_pack_makes_a_bundle_that_is_whole(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"]).assign(y=lambda f: 3 * f.a - f.b)
    frame.to_parquet(tmp_path / "train.parquet")
    joblib.dump(LinearRegression().fit(frame[["a", "b"]], frame["y"]), tmp_path / "model.joblib")
    arguments = ("--model", tmp_path / "model.joblib", "--data", tmp_path / "train.parquet", "--target", "y")
    result = tidegauge("pack", *arguments, "-o", tmp_path / "bundle", "--name", "line")
    assert result.exit_code == 0, result.output
    manifest = Manifest.load(tmp_path / "bundle")
    manifest.verify(tmp_path / "bundle")
    assert manifest.name == "line"
    assert "model line as onnx" in result.stdout
    assert "2 (2 numeric); reference of 300 rows" in result.stdout
    assert "equal to the original's; the largest relative difference is" in result.stdout
    assert f"tidegauge up {tmp_path / 'bundle'} --dir stack\n" in result.stdout
    assert_one_line_error(tidegauge("pack", *arguments[:-1], "z", "-o", tmp_path / "other"), "z")


def test_a_resource_that_breaks_a_rule_is_one_line(tmp_path):
    document = tmp_path / "dmm.yaml"
    document.write_text(
        "apiVersion: tidegauge.io/v1alpha1\nkind: DriftMonitoredModel\nmetadata: {name: a}\nspec: {}"
    )
    assert_one_line_error(tidegauge("up", "-f", document), "spec.model: required")


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "train.csv").write_text("a,b\n1,2\n2,3\n")
    output = tmp_path / "nowhere" / "profile.json"
    result = tidegauge("profile", "build", tmp_path / "train.csv", "-o", output)
    assert_one_line_error(result, "nowhere/profile.json: there is no folder", "make it first")


def test_a_dead_process_waits_longer_each_time_until_it_lived_long_enough():
    waits, short_lives = [], 0
    for lived_seconds in (0.1, 0.1, 0.1, 0.1, 0.1, 60, 0.1):
        wait, short_lives = restart_wait(short_lives, lived_seconds)
        waits.append(wait)
    assert waits == [0, 1, 2, 4, 5, 0, 1]
