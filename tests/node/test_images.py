"""The images: what is in them and what is not, and that each starts and answers as it is run."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.images import ENVIRONMENT, PROGRAMS, Images
from support.installation import Installation
from support.node.node import Node
from support.story import CLAIM, Story
from support.tiers import TOLD

from tidegauge.__about__ import __version__
from tidegauge.protocol.names import AGGREGATOR_PORT, SERVING_PORT, SIDECAR_PORT

MEGABYTE = 1_000_000
MOST_ABOVE_BASE = {"operator": 130, "serving": 350, "drift-sidecar": 150, "aggregator": 200}  # megabytes
# A base may come without that of its own library; some of it is then made where the programs are imported.
BYTECODE_OF_PYTHON = re.compile(r"^usr/(local/)?lib/python3[^/]*/.*__pycache__/.*\.pyc$")
CODE_FROM = re.compile("# code object from '([^']*)'")  # a thread's log line may follow on the same line
OF_OTHERS = {  # packages that only another program needs
    "operator": {"numpy", "scipy", "fastapi", "onnxruntime", "sklearn"},
    "serving": {"kopf", "kubernetes", "pandas"},
    "drift-sidecar": {"scipy", "fastapi", "kopf", "onnxruntime", "sklearn"},
    "aggregator": {"kopf", "kubernetes", "onnxruntime", "sklearn"},
}
NOT_IN_IT = "gcc cc make"  # a base may have a pip, for its own Python


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_image_is_small(
    images: Images, program: str, record_property: Callable[[str, object], None]
) -> None:
    base, above = (sum(layer.bytes for layer in part) / MEGABYTE for part in images.layers(program))
    most = MOST_ABOVE_BASE[program]
    told = f"image {program:<14}{above:>4.0f} MB above a base of {base:.0f} MB, at most {most} MB"
    record_property(TOLD, told)
    assert above <= most


@pytest.mark.parametrize(
    ("shared", "programs"),
    [
        (ENVIRONMENT, ("serving", "drift-sidecar", "aggregator")),
        ("/site-packages/numpy/__init__.py", ("serving", "drift-sidecar", "aggregator")),
        ("/site-packages/scipy/__init__.py", ("serving", "aggregator")),
    ],
    ids=["environment", "numpy", "scipy"],
)
def test_what_images_share_is_stored_once(images: Images, shared: str, programs: tuple[str, ...]) -> None:
    def digest_of_it(program: str) -> str:
        _, above = images.layers(program)
        (found,) = [layer for layer in above if any(path.endswith(shared) for path in layer.files)]
        return found.digest

    assert len({digest_of_it(program) for program in programs}) == 1


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_image_has_no_package_that_only_another_program_needs(images: Images, program: str) -> None:
    _, above = images.layers(program)
    found = [path.partition("/site-packages/")[2] for layer in above for path in layer.files]
    packages = {path.partition("/")[0] for path in found}
    assert "tidegauge" in packages
    assert not packages & OF_OTHERS[program]


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_image_holds_its_program_and_no_cache_or_scrap_of_its_making(images: Images, program: str) -> None:
    _, above = images.layers(program)
    files = {path for layer in above for path in layer.files}
    beside = {path for path in files if not path.startswith("opt/tidegauge/")}
    left_by_the_builder = {"etc/hosts"}
    assert not [path for path in beside - left_by_the_builder if not BYTECODE_OF_PYTHON.search(path)]
    assert not [path for path in files if path.startswith("opt/tidegauge/bin/pip")]


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_image_says_what_it_is_and_runs_without_root(images: Images, program: str) -> None:
    found = images.configuration(program)
    assert found["User"] == "65532:65532"
    assert found["Labels"]["org.opencontainers.image.title"] == f"tidegauge-{program}"
    assert found["Labels"]["org.opencontainers.image.version"] == __version__
    assert found["Labels"]["org.opencontainers.image.revision"] == images.tag
    assert found["Entrypoint"][:2] == ["python", "-m"]


@pytest.fixture(scope="module")
def story(node: Node, house_prices: Path, story_namespace: str) -> Story:
    """The example, served by one pod."""
    node.claim_with(story_namespace, CLAIM, house_prices.parent)
    story = Story(node, story_namespace, bundle=house_prices)
    story.apply("bundle", lambda spec: spec.update(replicas=1))
    story.wait_until("Ready", 60)
    return story


@pytest.fixture(scope="module")
def running(story: Story, quick_tidegauge: Installation) -> dict[str, tuple[str, str, str, int]]:
    """By program: namespace, pod, container, port."""
    (model,), (aggregator,) = story.pods(), story.pods("aggregator")
    (operator,) = quick_tidegauge.pods()
    here = story.namespace
    return {
        "operator": (quick_tidegauge.namespace, operator["metadata"]["name"], "operator", 8082),
        "serving": (here, model["metadata"]["name"], "model", SERVING_PORT),
        "drift-sidecar": (here, model["metadata"]["name"], "drift-sidecar", SIDECAR_PORT),
        "aggregator": (here, aggregator["metadata"]["name"], "aggregator", AGGREGATOR_PORT),
    }


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_answers_in_its_container(
    node: Node, running: dict[str, tuple[str, str, str, int]], program: str
) -> None:
    namespace, pod, _, port = running[program]
    way = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy"
    node.kubectl("get", "--raw", f"{way}/healthz")
    assert "# TYPE tidegauge_" in node.kubectl("get", "--raw", f"{way}/metrics")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_container_has_no_compiler_no_pip_no_root_and_no_writable_root(
    node: Node, running: dict[str, tuple[str, str, str, int]], program: str
) -> None:
    namespace, pod, container, _ = running[program]

    def shell(script: str) -> str:
        return node.exec(namespace, pod, "sh", "-c", script, container=container).strip()

    assert shell(f"for one in {NOT_IN_IT}; do command -v $one; done; true") == ""
    assert shell("python -c 'import pip' 2>&1 || true").endswith("No module named 'pip'")
    assert shell("id -u") == "65532"
    assert "Read-only" in shell("touch /opt/tidegauge/x 2>&1 || true")
    assert "tidegauge_" + {"drift-sidecar": "sidecar"}.get(program, program) in shell("cat /proc/*/cmdline")


# Each is run as its pod runs it, and tells what it loads, and where from.
STARTS = {
    "storage-initializer": ("model", "python -v -m tidegauge_serving.storage /models /tmp/again 2>&1"),
    "model": (
        "model",
        "python -v -m tidegauge_serving --host 127.0.0.1 --port 0 --log-dir '' >/tmp/out 2>/tmp/loaded &"
        " n=0; until grep -q '[ \"]ready: ' /tmp/loaded || [ $((n+=1)) -gt 600 ]; do sleep 0.1; done;"
        " kill $!; wait $!; cat /tmp/loaded",
    ),
    "drift-sidecar": (
        "drift-sidecar",
        "python -v -c 'from tidegauge_sidecar.__main__ import Profile;"
        ' Profile.load("/models/profile.json")\' 2>&1',
    ),
}


@pytest.mark.parametrize("started", STARTS)
def test_no_python_file_is_compiled_when_a_pod_starts(
    node: Node, running: dict[str, tuple[str, str, str, int]], started: str
) -> None:
    namespace, pod, _, _ = running["serving"]
    container, script = STARTS[started]
    told = node.exec(namespace, pod, "sh", "-c", script, container=container)
    loaded = CODE_FROM.findall(told)
    assert len(loaded) > 50
    assert [path for path in loaded if not path.endswith(".pyc")] == []
