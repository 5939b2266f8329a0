"""The library refuses what the API server refuses: the same table, without a cluster."""

import re

import pytest
import yaml
from support.bad_input import SMALLEST, BadInput, table

from tidegauge import resource
from tidegauge.errors import ResourceError


@pytest.mark.parametrize(
    "bad", [bad for bad in table() if bad.library_says is not None], ids=lambda bad: bad.title
)
def test_the_library_refuses(bad: BadInput) -> None:
    with pytest.raises(ResourceError) as caught:
        resource.load(yaml.safe_dump(bad.document))
    message = str(caught.value)
    assert bad.field in message
    assert re.search(bad.library_says, message)


@pytest.mark.parametrize(
    "bad", [bad for bad in table() if bad.library_says is None], ids=lambda bad: bad.title
)
def test_what_only_a_cluster_can_know_is_no_error_here(bad: BadInput) -> None:
    resource.load(yaml.safe_dump(bad.document))


def test_the_document_under_the_table_is_good() -> None:
    resource.load(yaml.safe_dump(SMALLEST))
