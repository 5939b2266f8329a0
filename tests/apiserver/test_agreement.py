"""The API server and the library take and refuse the same resources, also those nobody thought of."""

from typing import Any

import pytest
import yaml
from hypothesis import given, note, settings
from hypothesis import strategies as st
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document, Refused
from support.controlplane.cluster import Cluster

from tidegauge import resource
from tidegauge.errors import ResourceError

# Values at, just inside and just outside of what each kind of field takes.
COUNTS = [-1, 0, 1, 2, 64, 65, 2**31 - 1, 2**31, 1.5, "2", True]
NUMBERS = [-0.1, 0, 0.05, 0.1, 0.15, 0.2, 1, 1.0000001, 2, "0.1", True]
DURATIONS = [
    "1h",
    "60m",
    "59m",
    "3600s",
    "3599s",
    "11h59m",
    "12h",
    "720h",
    "720",
    "0h",
    "01h",
    "1H",
    " 1h",
    "1h\n",
]
DURATIONS += [
    "1d",
    "30d",
    "0d",
    "1d1h",
    "1h1d",
    "10000d",
    "1dd",
    "-1h",
    "",
    "1.5h",
    "999999h999999h",
    "1000000h",
    "1h1h1h1h1h1h1h1h1h1h1h",
]
SIZES = [
    "1Mi",
    "1023Ki",
    "1024Ki",
    "1048576",
    "1048575",
    "1.5Gi",
    ".5Gi",
    "0.5Gi",
    "1.Gi",
    "16Mi",
    "15Mi",
    "1Pi",
]
SIZES += ["1e9", "1Gi\n", "0", "00", "64MB", "-1Gi", "1m", 64]
QUANTITIES = [
    "1",
    "1000m",
    "999m",
    "1001m",
    "0.5",
    ".5",
    "5.",
    "1e3",
    "1E3",
    "1k",
    "2Gi",
    "2048Mi",
    "2049Mi",
    "x",
    "",
]
QUANTITIES += ["1\n", "-1", "+1", 0, 1, 2, -1, 0.5, True]
RESOURCE_NAMES = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "hugepages-2Mi",
    "nvidia.com/gpu",
    "gpu",
    "cpu ",
    "/x",
    "a/",
]
NAMES = ["sqft", "age", "", "x" * 253, "x" * 254, "é", " ", 1]
LABELS = ["release", "example.com/team", "a b", "", "-x", "x-", "/x", "x/", "x" * 63, "x" * 64, "x\n"]

some = st.sampled_from


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    """Any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


RESOURCES = maybe(
    requests=st.dictionaries(some(RESOURCE_NAMES), some(QUANTITIES), max_size=2),
    limits=st.dictionaries(some(RESOURCE_NAMES), some(QUANTITIES), max_size=2),
)
EFFECT = maybe(warning=some(NUMBERS), critical=some(NUMBERS))
MONITORED = maybe(
    labels=st.dictionaries(some(LABELS), some(LABELS), max_size=2), enabled=some([True, False, 1])
)
PARTS: dict[str, st.SearchStrategy[Document]] = {
    "replicas": maybe(
        replicas=some(COUNTS), autoscaling=maybe(minReplicas=some(COUNTS), maxReplicas=some(COUNTS))
    ),
    "resources": maybe(model=maybe(resources=RESOURCES)),
    "budget": maybe(drift=maybe(budget=maybe(falseAlarms=some(NUMBERS), period=some(DURATIONS)))),
    "effects": maybe(
        drift=maybe(
            minEffect=EFFECT,
            perFeature=st.lists(maybe(name=some(NAMES), minEffect=EFFECT), max_size=3),
            features=maybe(exclude=st.lists(some(NAMES), max_size=3)),
        )
    ),
    "capture": maybe(drift=maybe(capture=maybe(sampleRate=some(NUMBERS), logSize=some(SIZES)))),
    "aggregator": maybe(
        aggregator=maybe(
            replicas=some(COUNTS),
            retention=some(DURATIONS),
            storage=maybe(size=some(SIZES), storageClassName=some(NAMES)),
        )
    ),
    "monitoring": maybe(monitoring=maybe(serviceMonitor=MONITORED, prometheusRule=MONITORED)),
}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(spec=st.one_of(*PARTS.values()))
def test_api_server_and_library_agree_on_random_resources(cluster: Cluster, spec: Document) -> None:
    both_say_the_same(cluster, spec)


@pytest.mark.soak
@settings(max_examples=5000, deadline=None, derandomize=True)
@given(spec=st.one_of(*PARTS.values()))
def test_api_server_and_library_agree_on_many_random_resources(cluster: Cluster, spec: Document) -> None:
    both_say_the_same(cluster, spec)


def both_say_the_same(cluster: Cluster, spec: Document) -> None:
    document = merged(SMALLEST, {"metadata": {"namespace": "default"}, "spec": spec})
    server, library = said_by_the_server(cluster, document), said_by_the_library(document)
    note(f"server: {server}\nlibrary: {library}")
    assert (server is None) == (library is None)


def said_by_the_server(cluster: Cluster, document: Document) -> str | None:
    try:
        cluster.admin.create(document, dry_run=True)
    except Refused as refused:
        return str(refused)
    return None


def said_by_the_library(document: Document) -> str | None:
    try:
        resource.load(yaml.safe_dump(document))
    except ResourceError as error:
        return str(error)
    return None
