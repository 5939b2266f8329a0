"""Invalid resources are refused by the real API server, in words that name the field and the rule."""

import re

import pytest
from support.bad_input import SMALLEST, BadInput, merged, table
from support.controlplane.api import Api, Document, Refused
from support.controlplane.cluster import Cluster


def put_into(namespace: str, document: Document) -> Document:
    return merged(document, {"metadata": {"namespace": namespace}})


@pytest.mark.parametrize("bad", table(), ids=lambda bad: bad.title)
def test_the_api_server_refuses(cluster: Cluster, namespace: str, bad: BadInput) -> None:
    with pytest.raises(Refused) as caught:
        _ask_for(cluster.admin, namespace, bad)
    message = str(caught.value)
    assert caught.value.code in (400, 422)
    assert bad.field in message
    assert re.search(bad.cluster_says, message)


def _ask_for(api: Api, namespace: str, bad: BadInput) -> None:
    """Ask for the invalid object, as a new one or in place of one that stands."""
    document = put_into(namespace, bad.document)
    if bad.before is None:
        api.create(document, dry_run=True)
        return
    version = api.create(put_into(namespace, bad.before))["metadata"]["resourceVersion"]
    document["metadata"]["resourceVersion"] = version
    api.request("PUT", api.path(document), document, fieldValidation="Strict", dryRun="All")


def test_the_document_under_the_table_is_good(cluster: Cluster, namespace: str) -> None:
    cluster.admin.create(put_into(namespace, SMALLEST))


def test_no_row_is_there_twice() -> None:
    titles = [bad.title for bad in table()]
    assert len(titles) == len(set(titles)) >= 60
