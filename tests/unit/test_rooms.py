"""The library as rooms: what is public, what climbs, and that nothing else closes a circle."""

import ast
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tidegauge

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "tidegauge": ROOT / "tidegauge",
    "tidegauge_serving": ROOT / "serving/tidegauge_serving",
    "tidegauge_sidecar": ROOT / "drift_sidecar/tidegauge_sidecar",
    "tidegauge_aggregator": ROOT / "aggregator/tidegauge_aggregator",
    "tidegauge_operator": ROOT / "operator/tidegauge_operator",
}
PUBLIC = {
    *("Accumulator", "CategoricalFeature", "Counts", "KS", "Monitor", "NumericFeature", "Policy", "Profile"),
    *("Report", "RowScorer", "replay", "__version__"),
    *("BundleError", "DataNotFound", "PolicyError", "ProfileError", "ProfileMismatch", "ResourceError"),
    *("SchemaError", "StorageError", "TidegaugeError", "TidegaugeWarning", "WireError"),
}


def modules_of(package: str) -> dict[str, Path]:
    folder = PACKAGES[package]
    dotted = {
        path: ".".join((package, *path.relative_to(folder).with_suffix("").parts))
        for path in folder.rglob("*.py")
    }
    return {name.removesuffix(".__init__"): path for path, name in dotted.items()}


def imports_of(module: str, path: Path) -> Iterator[str]:
    """Names of all modules that a file imports, in functions and for types too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            home = ".".join([*above, *([node.module] if node.module else [])])
            yield home
            yield from (f"{home}.{alias.name}" for alias in node.names)


def climbs() -> set[tuple[str, str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rooms,) = [each for each in contracts if each["name"].startswith("The library's rooms")]
    return {tuple(each.split(" -> ")) for each in rooms["ignore_imports"]}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_files_import_each_other_in_a_circle_but_for_the_named_climbs(package: str) -> None:
    modules, allowed = modules_of(package), climbs()
    graph = {
        name: {
            each
            for each in imports_of(name, path)
            if each in modules and each != name and (name, each) not in allowed
        }
        for name, path in modules.items()
        if path.name != "__init__.py"
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the circle


def test_only_the_front_methods_of_a_profile_climb() -> None:
    assert {source for source, _ in climbs()} == {"tidegauge.profile.profile"}
    assert {target.rpartition(".")[2] for _, target in climbs()} == {"counts", "rows", "fitting"}


def test_what_is_public_is_this_list() -> None:
    assert set(tidegauge.__all__) == set(dir(tidegauge)) == PUBLIC
    assert all(getattr(tidegauge, name) is not None for name in PUBLIC)


ROOMS = [str(each.relative_to(ROOT)) for path in PACKAGES.values() for each in path.glob("*/__init__.py")]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for(room: str) -> None:
    told = ast.get_docstring(ast.parse((ROOT / room).read_text()))
    assert told is not None
    assert len(told.splitlines()) >= 3
