"""Each extra alone runs what the pages promise of it."""

import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from packaging.requirements import Requirement
from sklearn.linear_model import LinearRegression

from tidegauge.pack import pack_model

ROOT = Path(__file__).parents[2]
IMPORT_ROOTS = (ROOT, *(ROOT / name for name in ("serving", "drift_sidecar", "aggregator", "operator")))


def make_environment(folder: Path, extras: set[str]) -> Path:
    """Make a virtual environment as ``pip install '.[EXTRAS]'`` would; returns its Python."""
    venv.create(folder, symlinks=True)
    packages = folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    for package in needed(extras):
        for name in {
            file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")
        }:
            (packages / name).symlink_to(Path(str(package.locate_file(name))))
    (packages / "checkout.pth").write_text("\n".join(map(str, IMPORT_ROOTS)))
    return folder / "bin/python"


def needed(extras: set[str]) -> list[Distribution]:
    """All packages of the extras of ours, ourselves left out."""
    found: dict[str, set[str]] = {}
    asked = [("tidegauge", extras)]
    while asked:
        name, wanted = asked.pop()
        if name in found and wanted <= found[name]:
            continue
        found[name] = found.get(name, set()) | wanted
        asked += list(_requirements(name, found[name]))
    return [distribution(name) for name in found if name != "tidegauge"]


def _requirements(name: str, extras: set[str]) -> Iterator[tuple[str, set[str]]]:
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield requirement.name.lower().replace("_", "-"), set(requirement.extras)


pytestmark = pytest.mark.slow

PROGRAMS = {
    "serving": "tidegauge_serving",
    "sidecar": "tidegauge_sidecar",
    "aggregator": "tidegauge_aggregator",
    "operator": "tidegauge_operator",
}
HELP = """
import click, tidegauge.cli
from tidegauge.cli import main

def show(command, *words):
    try:
        main([*words, "--help"], prog_name="tidegauge")
    except SystemExit as end:
        assert end.code == 0, words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            show(command.get_command(context, name), *words, name)

show(main)
"""
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
LOAD = """
import sys
from pathlib import Path
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import Manifest
from tidegauge_serving.models import load_model
folder = Path(sys.argv[1])
manifest = Manifest.load(folder)
profile = Profile.load(folder / manifest.profile.file)
print(load_model(folder, manifest, profile, allow_pickle=False, trusted_types=frozenset()))
"""
LIBRARY = """
import numpy as np, tidegauge
rows = {"x": np.random.default_rng(1).normal(size=2000)}
profile = tidegauge.Profile.fit(rows)
print(profile.count(rows).ks("x").statistic)
print(len(tidegauge.replay(profile, rows, rows_per_pane=500)))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A function that makes the environment of some extras, once."""
    made: dict[str, Path] = {}

    def environment(extras: str) -> Path:
        if extras not in made:
            folder = tmp_path_factory.mktemp("environment")
            made[extras] = make_environment(folder, set(filter(None, extras.split(","))))
        return made[extras]

    return environment


def run(python: Path, *arguments: object, cwd: Path | None = None, code: int = 0) -> str:
    words = [str(python), "-I", *map(str, arguments)]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("extras", ["cli", "cli,pack", "local", "serving", "aggregator", "operator"])
def test_help_of_every_command_is_shown_wherever_click_is(environment, extras):
    assert "Usage: tidegauge profile diff" in run(environment(extras), "-c", HELP)


@pytest.mark.parametrize("extras", ["", "sidecar", "pack"])
def test_without_click_the_command_says_what_to_install(environment, extras):
    told = run(environment(extras), "-m", "tidegauge", "--help", code=1)
    assert told == "tidegauge: the command needs click: in a checkout pip install '.[cli]'\n"


@pytest.mark.parametrize("extras", ["", "operator"])
def test_the_library_counts_and_compares_with_every_extra(environment, extras):
    assert run(environment(extras), "-c", LIBRARY).startswith("0.0\n")


@pytest.mark.parametrize("extra", PROGRAMS)
def test_a_program_has_all_that_it_imports(environment, extra):
    run(environment(extra), "-c", IMPORT_ALL, PROGRAMS[extra])
    assert "--" in run(environment(extra), "-m", PROGRAMS[extra], "--help")


@pytest.fixture
def rows(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(3000, 2)), columns=["a", "b"]).assign(y=lambda f: 3 * f.a - f.b)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    joblib.dump(LinearRegression().fit(frame[["a", "b"]], frame["y"]), tmp_path / "model.joblib")
    return tmp_path


def test_the_commands_of_cli_work_with_cli_alone(environment, rows):
    python = environment("cli")
    for data in ("rows.csv", "rows.parquet"):
        run(python, "-m", "tidegauge", "profile", "build", data, "--exclude", "y", cwd=rows)
        assert "float64" in run(python, "-m", "tidegauge", "profile", "show", "profile.json", cwd=rows)
        replayed = ("replay", data, "--profile", "profile.json", "--rows-per-pane", 500)
        assert "0 alarms in 3,000 rows" in run(python, "-m", "tidegauge", *replayed, cwd=rows)
    told = run(
        python,
        "-m",
        "tidegauge",
        "pack",
        "--model",
        "model.joblib",
        "--data",
        "rows.csv",
        "-o",
        "b",
        cwd=rows,
        code=2,
    )
    assert re.search(
        r"pack needs (pandas|joblib|onnx|sklearn\w*): in a checkout pip install '\.\[cli,pack\]'", told
    )
    up = run(python, "-m", "tidegauge", "report", cwd=rows, code=2)
    assert "no aggregator answers there" in up


def test_pack_works_with_what_it_says_to_install(environment, rows):
    arguments = ("--model", "model.joblib", "--data", "rows.parquet", "--target", "y", "-o", "bundle")
    told = run(environment("cli,pack"), "-m", "tidegauge", "pack", *arguments, cwd=rows)
    assert "model bundle as onnx" in told


def test_the_readmes_python_runs_with_cli_alone(environment, tmp_path):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert "sqft: D = " in run(environment("cli"), "-c", code, cwd=tmp_path)


@pytest.mark.parametrize(
    ("library", "make"),
    [
        ("xgboost", lambda: xgboost.XGBRegressor(n_estimators=3, enable_categorical=True)),
        ("lightgbm", lambda: lightgbm.LGBMRegressor(n_estimators=3, verbose=-1)),
    ],
    ids=["xgboost", "lightgbm"],
)
def test_a_booster_is_served_with_its_extra_and_missed_without_it(environment, tmp_path, library, make):
    rng = np.random.default_rng(1)
    colour = pd.Categorical(rng.choice(["red", "blue"], 300))
    frame = pd.DataFrame({"colour": colour, "x": rng.normal(size=300)})
    joblib.dump(make().fit(frame, frame["x"]), tmp_path / "model.joblib")
    frame.to_parquet(tmp_path / "rows.parquet")
    packed = pack_model(tmp_path / "model.joblib", tmp_path / "rows.parquet", tmp_path / "bundle")
    assert packed.manifest.model.format == library
    assert "Model" in run(environment(f"serving,{library}"), "-c", LOAD, tmp_path / "bundle")
    told = run(environment("serving"), "-c", LOAD, tmp_path / "bundle", code=1)
    assert f"a {library} model needs {library}, which is not installed here" in told
