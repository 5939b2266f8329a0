"""The pictures of the documentation are drawn from real counts by the script beside them."""

import importlib.util
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parents[2] / "docs/pictures"
SPEC = importlib.util.spec_from_file_location("draw_pictures", FOLDER / "draw.py")
assert SPEC
assert SPEC.loader
draw = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(draw)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(draw.PICTURES))
def test_a_picture_is_what_the_script_draws_today(name: str) -> None:
    assert (FOLDER / name).read_text() == draw.PICTURES[name](), "run `make pictures`"


@pytest.mark.parametrize("name", list(draw.PICTURES))
def test_a_picture_loads_nothing_and_runs_nothing(name: str) -> None:
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(FOLDER / name).iter()}
    assert tags <= {"svg", "rect", "polyline", "text"}


def test_every_picture_is_shown_on_the_page() -> None:
    page = (FOLDER.parent / "statistics.md").read_text()
    assert {path.name for path in FOLDER.glob("*.svg")} == set(draw.PICTURES)
    assert all(f"](pictures/{name})" in page for name in draw.PICTURES)
