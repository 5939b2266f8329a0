"""What is made of a resource, as YAML: the folders of `golden/`, written again by `make golden`."""

import pytest
from support.golden_plan import cases, kept, planned


@pytest.mark.parametrize("case", cases())
def test_the_children_are_those_in_the_files(case):
    assert planned(case) == kept(case)
