"""Rules of the repository that no other tool keeps."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked_files() -> list[Path]:
    command = ["git", "ls-files", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).exists()]


def test_no_folder_shadows_the_standard_library() -> None:
    packages = [path.parent for path in tracked_files() if path.name == "__init__.py"]
    roots = {ROOT, *(ROOT / name for name in ("tests", "serving", "drift_sidecar", "aggregator", "operator"))}
    shadowing = [path for path in packages if path.parent in roots and path.name in sys.stdlib_module_names]
    assert not shadowing, f"packages that hide a standard module from every Python started above: {shadowing}"


def test_tests_are_not_packages() -> None:
    assert not list((ROOT / "tests").glob("**/__init__.py"))


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").glob("**/test_*.py")]
    assert len(names) == len(set(names)), "two test files share a name"


SUPPORT = re.compile(r"\bsupport(?:\.(\w+)| import ([\w, ]+))")


def test_what_one_test_needs_is_in_that_test() -> None:
    files = [ROOT / "Makefile", *(ROOT / "tests").glob("**/*.py")]
    users: dict[str, set[str]] = {path.stem: set() for path in (ROOT / "tests" / "support").glob("*.py")}
    for path in files:
        for one, several in SUPPORT.findall(path.read_text()):
            for name in {one, *several.split(", ")} & users.keys() - {path.stem}:
                users[name].add(path.name)
    lonely = {name: found for name, found in users.items() if len(found) < 2}
    assert not lonely, f"fold these files of tests/support into their only user: {lonely}"


def test_the_map_of_the_tests_support_names_each_of_its_files() -> None:
    support = ROOT / "tests" / "support"
    for folder in (support, support / "controlplane", support / "node"):
        page = (folder / "README.md").read_text()
        missing = [path.stem for path in folder.glob("*.py") if f"`{path.stem}`" not in page]
        assert not missing, f"{folder.name}/README.md does not name these: {missing}"


NO_VERB = re.compile(
    r"(A|All|An|As|At|Both|Bytes|Changes|Each|Every|Few|First|For|How|Names|No|None|Nothing|Number|Of|One|Rows"
    r"|Seconds|The|This|Three|What|Where|Whether|Why)\b"
)


def first_sentences() -> Iterator[tuple[str, str]]:
    """Place and first sentence of each public function's docstring; properties are named like fields."""
    rooms = ("tidegauge", "serving", "drift_sidecar", "aggregator", "operator")
    for path in (path for room in rooms for path in sorted((ROOT / room).glob("**/*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
                continue
            decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
            if (text := ast.get_docstring(node)) and not decorators & {"property", "cached_property"}:
                paragraph = " ".join(text.partition("\n\n")[0].split())
                yield f"{path.relative_to(ROOT)}:{node.lineno}", re.split(r"[.;:](?: |$)", paragraph)[0]


def test_docstrings_begin_with_a_verb_and_are_short() -> None:
    found = dict(first_sentences())
    wrong = [f"{place} {first!r}" for place, first in found.items() if NO_VERB.match(first)]
    assert not wrong, "say what the function does, such as 'Return ...': " + ", ".join(wrong)
    assert sum(len(first.split()) for first in found.values()) / len(found) <= 10, "shorten first sentences"


NEEDS_ITS_NEIGHBOUR = re.compile(
    r"def (test_(?:it|its|they|them|such|those|these)_\w+|test_\w+_(?:ha(?:s|ve)_none))\("
)


def test_names_of_tests_have_a_subject_of_their_own() -> None:
    texts = [path.read_text() for path in sorted((ROOT / "tests").glob("**/test_*.py"))]
    unclear = [name for text in texts for name in NEEDS_ITS_NEIGHBOUR.findall(text)]
    assert not unclear, f"in a list of failures these names say nothing: {unclear}"


def test_files_stay_readable() -> None:
    too_long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked_files()
        if path.suffix == ".py" and (lines := path.read_text().count("\n")) > 600
    }
    assert not too_long, f"split these, a file has at most 600 lines: {too_long}"


def test_no_file_is_large() -> None:
    large = [path for path in tracked_files() if path.stat().st_size > 600_000]
    assert not large, f"made files belong outside the tree: {large}"


def test_constraints_are_names_and_numbers() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()[1:]
    assert lines
    assert all("==" in line and "/" not in line and "@" not in line for line in lines)
