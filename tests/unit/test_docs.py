"""The documentation names what the programs have, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

from tidegauge.protocol.names import Env, Metric
from tidegauge.resource import load

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("charts/**/*.md"),
    ]
)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("metric", list(Metric))
def test_every_metric_is_documented(metric: Metric) -> None:
    assert f"`{metric}`" in (ROOT / "docs/metrics.md").read_text()


@pytest.mark.parametrize("variable", list(Env))
def test_every_setting_is_documented(variable: Env) -> None:
    assert f"`{variable}`" in (ROOT / "docs/settings.md").read_text()


def test_no_documented_metric_is_unknown() -> None:
    named = set(re.findall(r"`(tidegauge_[a-z_]+)`", (ROOT / "docs/metrics.md").read_text()))
    packages = {"tidegauge_serving", "tidegauge_sidecar", "tidegauge_aggregator"}
    assert named - packages <= {metric.value for metric in Metric}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    broken = [target for target in targets if not (page.parent / target).exists()]
    assert not broken, f"{page.relative_to(ROOT)} links to {broken}"


def test_every_page_of_docs_is_reached_from_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text()
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").glob("**/*.md")} - {"README.md"}
    assert pages == {link for link in LINK.findall(index) if not link.startswith("..")}


@pytest.mark.parametrize(
    "example", sorted(ROOT.glob("examples/*/dmm.yaml")), ids=lambda path: path.parent.name
)
def test_an_example_goes_to_a_cluster_as_it_stands(example: Path) -> None:
    name, page = example.parent.name, (example.parent / "README.md").read_text()
    assert f"\nkubectl apply -f {example.relative_to(ROOT)}\n" in page
    assert load(example.read_text()).spec.model.storage_uri == f"pvc://bundles/{name}-1"
    assert f"the claim `bundles` as `{name}-1`" in page


def test_every_make_target_that_pages_name_is_there() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        (str(page.relative_to(ROOT)), target)
        for page in PAGES
        for target in re.findall(r"(?:^|`)make ([a-z][a-z0-9-]*)", page.read_text(), re.MULTILINE)
    }
    assert {target for _, target in named} >= {"test", "cluster"}
    assert not {(page, target) for page, target in named if target not in targets}
