"""``tidegauge profile`` as a user calls it."""

import shlex

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tidegauge.cli import main
from tidegauge.profile.profile import Profile


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(3)
    path = tmp_path / "train.csv"
    frame = pd.DataFrame({"sqft": rng.normal(2000, 500, 300), "kind": rng.choice(["a", "b"], 300)})
    frame.assign(id=range(300), price=frame.sqft * 2).to_csv(path, index=False)
    return path


def test_build_makes_the_profile_that_the_library_makes(run, table, tmp_path):
    made = tmp_path / "profile.json"
    result = run("profile", "build", table, "-o", made, "--exclude", "id", "--prediction", "price")
    assert result.exit_code == 0, result.output
    expected = Profile.fit(pd.read_csv(table), exclude=["id"], prediction="price")
    assert Profile.load(made).hash == expected.hash
    assert expected.hash in result.output


def test_build_prints_each_warning_as_one_line_and_makes_the_profile(run, tmp_path):
    path, made = tmp_path / "train.csv", tmp_path / "profile.json"
    rows = ["1,0", "a,1", "2.5,2", ",3", "True,4", *(f"a,{i}" for i in range(5, 2000))]
    path.write_text("\n".join(["x,customer_id", *rows]))
    result = run("profile", "build", path, "-o", made)
    assert result.exit_code == 0
    assert Profile.load(made).rows == 2000
    first, second = result.stderr.splitlines()
    assert first.startswith("tidegauge: warning: column 'x' mixes numbers and texts")
    assert second.startswith("tidegauge: warning: column 'customer_id' looks like an identifier")


def test_show_names_every_feature(run, table, tmp_path):
    made = tmp_path / "profile.json"
    run("profile", "build", table, "-o", made)
    shown = run("profile", "show", made).output
    assert run("profile", "show", tmp_path).output == shown, "a bundle's folder is taken too"
    assert all(name in shown for name in ("sqft", "kind", "categorical", "float64"))


def test_diff_is_silent_about_equal_profiles_and_exits_with_1_on_others(run, table, tmp_path):
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    run("profile", "build", table, "-o", one)
    run("profile", "build", table, "-o", other, "--cut-points", 16)
    assert run("profile", "diff", one, one).exit_code == 0
    result = run("profile", "diff", one, other)
    assert result.exit_code == 1
    assert "cut points" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--exclude", "nothing"], "nothing"),
        (["--cut-points", "0"], "--cut-points 0: it must be"),
        (["--hour-of-day"], "--hour-of-day: it needs the rows' times; pass --time with their column"),
    ],
)
def test_an_error_is_one_line_with_exit_code_2(run, table, tmp_path, arguments, message):
    result = run("profile", "build", table, "-o", tmp_path / "p.json", *arguments)
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert result.output.startswith("tidegauge: ")
    assert message in result.output


def test_a_file_that_is_no_profile_is_one_line(run, table):
    result = run("profile", "show", table)
    assert (result.exit_code, result.output.count("\n")) == (2, 1)


@pytest.mark.parametrize("name", ["rooms", "rain [mm]", "größe"])
def test_a_feature_that_is_excluded_too_names_both_options(name, tmp_path):
    pd.DataFrame({name: [1.0, 2.0], "y": [1.0, 2.0]}).to_csv(tmp_path / "x.csv", index=False)
    options = ["--feature", name, "--feature", "y", "--exclude", name]
    arguments = ["profile", "build", str(tmp_path / "x.csv"), "-o", str(tmp_path / "p.json"), *options]
    result = CliRunner().invoke(main, arguments)
    told = shlex.quote(name)
    assert result.exit_code == 2
    assert f"--feature {told} and --exclude {told}: give one of them" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--feature sqft --time sqft", "--feature sqft and --time sqft: give one of them"),
        ("--feature sqft --prediction sqft", "--feature sqft and --prediction sqft: give one of them"),
        ("--time price --prediction price", "--time price and --prediction price: give one of them"),
        ("--prediction price --exclude price", "--prediction price and --exclude price: give one of them"),
        ("--categorical id --exclude id", "--categorical id and --exclude id: give one of them"),
        ("--categorical id --time id", "--categorical id and --time id: give one of them"),
        ("--float32 sqft --exclude sqft", "--float32 sqft and --exclude sqft: give one of them"),
        (
            "--feature sqft --categorical id",
            "--categorical id: --feature does not name it; name it there too",
        ),
        ("--feature id --float32 sqft", "--float32 sqft: --feature does not name it; name it there too"),
    ],
)
def test_options_that_cannot_both_hold_are_refused(run, table, tmp_path, options, message):
    result = run("profile", "build", table, "-o", tmp_path / "p.json", *options.split())
    assert (result.exit_code, result.output) == (2, f"tidegauge: {message}\n")
    assert not (tmp_path / "p.json").exists()


def test_a_predicted_column_is_no_time_of_the_rows(run, table, tmp_path):
    result = run(
        *("pack", "--model", table, "--data", table, "-o", tmp_path / "out"),
        *("--target", "price", "--time", "price"),
    )
    assert result.output == "tidegauge: --time price and --target price: give one of them\n"
    assert not (tmp_path / "out").exists()
