"""The library as rooms: what is public, what climbs, and that nothing else closes a circle."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from support.walks import FOLDERS, walk

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


@cache
def modules_of(package: str) -> dict[str, Path]:
    folder = PACKAGES[package]
    dotted = {
        path: ".".join((package, *path.relative_to(folder).with_suffix("").parts))
        for path in folder.rglob("*.py")
    }
    return {name.removesuffix(".__init__"): path for path, name in dotted.items()}


@cache
def imports_of(module: str, path: Path) -> tuple[str, ...]:
    """Names of all modules that a file imports, in functions and for types too."""
    return tuple(_imports_of(module, path))


def _imports_of(module: str, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            home = ".".join([*above, *([node.module] if node.module else [])])
            yield home
            yield from (f"{home}.{alias.name}" for alias in node.names)


def rooms_contract() -> dict[str, list[str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rooms,) = [each for each in contracts if each["name"].startswith("The library's rooms")]
    return dict(rooms)


def climbs() -> set[tuple[str, str]]:
    return {tuple(each.split(" -> ")) for each in rooms_contract()["ignore_imports"]}


def heights() -> dict[str, int]:
    """The height of each room of the library, the lowest 0."""
    layers = reversed(rooms_contract()["layers"])
    return {room: height for height, layer in enumerate(layers) for room in layer.split(" | ")}


def places_of_imports(path: Path) -> Iterator[tuple[str, str]]:
    """Where a file imports the library, and what: the function, or nothing for the file itself."""

    def within(node: ast.AST, place: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tidegauge."):
            yield place, node.module or ""
        named = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        inner = f"{place}.{node.name}".lstrip(".") if named else place
        for child in ast.iter_child_nodes(node):
            yield from within(child, inner)

    yield from within(ast.parse(path.read_text()), "")


def arrows_up() -> set[tuple[str, str, str]]:
    """Each import of a higher room: file, function, what."""
    height, found = heights(), set()
    for module, path in modules_of("tidegauge").items():
        room = module.split(".")[1] if "." in module else ""
        for place, target in places_of_imports(path) if room in height else ():
            if height.get(target.split(".")[1], -1) > height[room]:
                found.add((module, place, target))
    return found


@pytest.mark.slow
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


@pytest.mark.slow
def test_three_methods_of_a_profile_are_the_only_imports_that_climb() -> None:
    home = "tidegauge.profile.profile"
    assert arrows_up() == {
        (home, "Profile.fit", "tidegauge.fit.fitting"),
        (home, "Profile.count", "tidegauge.counting.rows"),
        (home, "Profile.count_matrix", "tidegauge.counting.counts"),
        (home, "", "tidegauge.counting.counts"),  # the type that two of them return
    }
    assert {(source, target) for source, _, target in arrows_up()} == climbs()


def test_the_type_that_climbs_is_there_for_the_type_checker_alone() -> None:
    tree = ast.parse((PACKAGES["tidegauge"] / "profile/profile.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(block) == "if TYPE_CHECKING:\n    from tidegauge.counting.counts import Counts"


def test_what_is_public_is_this_list() -> None:
    assert set(tidegauge.__all__) == set(dir(tidegauge)) == PUBLIC
    assert all(getattr(tidegauge, name) is not None for name in PUBLIC)


# --- what a room says of itself ----------------------------------------------------------------------

PLACES = ("", "of the library ", "from outside ")
Imports = tuple[set[str], set[str], set[str]]  # of its own package, of the library, of other people's


def rooms_of(package: str) -> list[str]:
    """The paths of a package's rooms below its folder; the package is one room if it has no folder."""
    folder = PACKAGES[package]
    found = [str(each.parent.relative_to(folder)) for each in folder.rglob("*/__init__.py")]
    return sorted({*found} - {"."}) or ["."]


def _entry(package: str, parts: list[str]) -> str:
    """The room or single file of a package that an import names, nothing for the package itself."""
    folder = PACKAGES[package]
    name = parts[1] if len(parts) > 1 else ""
    return name if name and ((folder / name).is_dir() or (folder / f"{name}.py").exists()) else ""


@cache
def imports_of_files(package: str, room: str) -> Imports:
    """What the files of a room, or one file beside the rooms, import from other rooms."""
    found: Imports = (set(), set(), set())
    place = PACKAGES[package] / room
    for module, path in modules_of(package).items():
        if not path.is_relative_to(place) and path != place.with_suffix(".py"):
            continue
        for parts in (
            each.split(".") for each in imports_of(module + ".x" * (path.stem == "__init__"), path)
        ):
            inside = [package, *room.split("/")]
            if parts[: len(inside)] == inside or (room == "." and parts[0] == package):
                continue
            if parts[0] in ("tidegauge", package):
                found[parts[0] != package].add(_entry(parts[0], parts))
            elif parts[0] not in {*sys.stdlib_module_names, ""}:
                found[2].add(parts[0])
    return tuple(each - {"", "__about__"} for each in found)  # type: ignore[return-value]


def sentence_of(imports: Imports) -> str:
    parts = [
        place + ", ".join(f"`{each}`" for each in sorted(names))
        for place, names in zip(PLACES, imports, strict=True)
        if names
    ]
    return f"It imports {'; '.join(parts) or 'the standard library alone'}."


def told_imports(told: str) -> Imports:
    """What the sentence that begins with "It imports" names."""
    sentence = re.search(r"^It imports (.*?)\.(?=\s|$)", told, re.MULTILINE | re.DOTALL)
    assert sentence is not None, "no line begins with 'It imports'"
    found: Imports = (set(), set(), set())
    for part in " ".join(sentence[1].split()).split("; "):
        kind = next((kind for kind in (2, 1) if part.startswith(PLACES[kind])), 0)
        found[kind].update(re.findall(r"`(\w+)`", part))
    return found


ROOMS = [(package, room) for package in PACKAGES for room in rooms_of(package)]


@pytest.mark.parametrize(("package", "room"), ROOMS)
def test_a_room_says_what_it_is_for_and_what_it_imports(package: str, room: str) -> None:
    told = ast.get_docstring(ast.parse((PACKAGES[package] / room / "__init__.py").read_text()))
    assert told is not None
    assert len(told.splitlines()) >= 3
    imports = imports_of_files(package, room)
    assert told_imports(told) == imports, f"it should say: {sentence_of(imports)}"


# --- the page of rooms ------------------------------------------------------------------------------------

PROGRAMS = ("serving", "sidecar", "aggregator", "operator")
FLAT = ("beside the rooms", "the program")  # the line of the files that are in no room


def ticked(names: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in sorted(names)) or "-"


def top_rooms(package: str) -> list[str]:
    return [room for room in rooms_of(package) if "/" not in room and room != "."]


def may_import(package: str, room: str) -> str:
    """The rooms that a room imports, of its own package and of the library, as the page says it."""
    own, library, _ = imports_of_files(package, room)
    return f"{ticked(own)}; library: {ticked(library)}" if package != "tidegauge" else ticked(own)


def called_by(package: str, room: str) -> str:
    """Who imports a room: rooms and single files of its package, then the programs, as the page says it."""
    entries = [*top_rooms(package), *(each.stem for each in PACKAGES[package].glob("*.py"))]
    rooms = [each for each in {*entries} - {room, "__init__"} if room in imports_of_files(package, each)[0]]
    programs = [each for each in PROGRAMS if package == "tidegauge" and room in _of_the_library(each)]
    return "; ".join(filter(None, [ticked(rooms) if rooms else "", ", ".join(programs)])) or "people"


def _of_the_library(program: str) -> set[str]:
    package = f"tidegauge_{program}"
    entries = [*top_rooms(package), *(each.stem for each in PACKAGES[package].glob("*.py"))]
    return {name for each in entries for name in imports_of_files(package, each)[1]}


def section_of(page: str, package: str) -> str:
    folder = PACKAGES[package].relative_to(ROOT)
    (section,) = re.findall(rf"^## [^\n]*`{folder}/`[^\n]*\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL)
    return str(section)


def lines_of_tables(page: str, package: str) -> dict[str, list[list[str]]]:
    """The cells behind each room's name in the tables of a package's section."""
    section = section_of(page, package)
    found: dict[str, list[list[str]]] = {}
    for line in re.findall(r"^\| (?!room |---)(.*) \|$", section, re.MULTILINE):
        room, *cells = (cell.strip() for cell in line.split(" | "))
        found.setdefault(room.strip("`"), []).append(cells)
    return found


def files_of(package: str, room: str) -> set[str]:
    folder = PACKAGES[package] / room
    paths = folder.glob("*.py") if room == "." else folder.rglob("*.py")
    return {str(each.relative_to(folder).with_suffix("")) for each in paths if each.stem != "__init__"}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_page_of_rooms_says_what_each_may_import_and_who_calls_it(package: str) -> None:
    lines = lines_of_tables((ROOT / "docs/design/rooms.md").read_text(), package)
    told = {room: tuple(cells[0][1:3]) for room, cells in lines.items() if room not in FLAT}
    assert told == {
        room: (may_import(package, room), called_by(package, room)) for room in top_rooms(package)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_the_page_of_rooms_names_each_file(package: str) -> None:
    lines = lines_of_tables((ROOT / "docs/design/rooms.md").read_text(), package)
    told = {"." if room in FLAT else room: cells[-1][0] for room, cells in lines.items()}
    named = {room: set(re.findall(r"`([\w/]+)`", text)) for room, text in told.items()}
    assert named == {room: files_of(package, room) for room in [*top_rooms(package), "."]}


def contract_of(package: str) -> list[str]:
    """The rooms of a package's contract of layers, the highest first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each.get("containers") == [package]]
    return [room for layer in layers for room in layer.split(" | ")]


@pytest.mark.parametrize("package", sorted({*PACKAGES} - {"tidegauge_sidecar"}))
def test_the_picture_of_rooms_is_the_contract_of_layers(package: str) -> None:
    page = (ROOT / "docs/design/rooms.md").read_text()
    (picture,) = re.findall(r"^```\n(.*?)^```$", section_of(page, package), re.MULTILINE | re.DOTALL)
    layers = contract_of(package)
    cells = [cell for line in picture.splitlines() for cell in re.split(r" {2,}|, ", line)]
    assert [cell for cell in cells if cell in layers] == layers


def test_each_path_of_a_file_on_the_page_of_rooms_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)`", (ROOT / "docs/design/rooms.md").read_text())
    assert named
    assert not [path for path in named if not (ROOT / path).is_file()]


@pytest.mark.parametrize("of", ["row", "pane", "resource"])
def test_each_file_that_a_walk_names_is_there(of: str) -> None:
    named = walk(of, *FOLDERS)
    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).is_file()]
