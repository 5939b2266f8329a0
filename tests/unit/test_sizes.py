"""The product's code stays in small pieces: files, functions and their parameters."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tidegauge", "serving", "drift_sidecar", "aggregator", "operator")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MOST_FILE_LINES, MOST_BODY_LINES, MOST_PARAMETERS = 420, 40, 5
MOST_WITH_MORE_PARAMETERS = 0.017

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def body_lines(function: Function) -> int:
    """Lines of a function without its head and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def parameters(function: Function) -> int:
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


@pytest.fixture(scope="module")
def bodies() -> dict[str, int]:
    return {name: body_lines(node) for name, node in functions()}


def test_no_file_of_the_product_has_more_than_420_lines() -> None:
    assert len(FILES) > 250
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in FILES}
    assert not {name: count for name, count in lines.items() if count > MOST_FILE_LINES}


def test_no_function_of_the_product_has_more_than_40_lines(bodies: dict[str, int]) -> None:
    assert not {name: count for name, count in bodies.items() if count > MOST_BODY_LINES}


def test_half_of_the_functions_have_6_lines_at_most_and_nine_in_ten_16(bodies: dict[str, int]) -> None:
    assert len(bodies) > 2000
    assert median(bodies.values()) <= 6
    assert quantiles(bodies.values(), n=10)[-1] <= 16


def test_few_functions_have_more_than_5_parameters() -> None:
    counts = {name: parameters(node) for name, node in functions()}
    many = [name for name, count in counts.items() if count > MOST_PARAMETERS]
    assert len(many) <= MOST_WITH_MORE_PARAMETERS * len(counts), many
