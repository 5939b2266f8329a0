"""Messages name values in words, never as Python writes a list."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tidegauge import Monitor, Policy, Profile, Report, TidegaugeError

PROFILE = Profile.fit({"sqft": np.arange(10.0), "age": np.arange(10.0)})


def misspelt() -> object:
    return Monitor(PROFILE, Policy(per_feature={"sqfeet": {"warning": 0.1}}))


def twice() -> object:
    return Profile(PROFILE.features * 2, None, 10)


def shards_of_one_feature() -> object:
    return Report.join([Monitor(PROFILE).report(0)] * 2)


def shards_of_two_lengths() -> object:
    return Report.join([Monitor(PROFILE, pane_seconds=seconds).report(0) for seconds in (10.0, 5.0)])


def an_index_alone() -> object:
    return Profile.fit(pd.DataFrame(index=pd.Index([1, 2], name="id")))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (misspelt, "per_feature names 'sqfeet', which the profile does not have; did you mean sqft"),
        (twice, "but has 'age', 'sqft' twice"),
        (shards_of_one_feature, "feature 'age' is in two reports"),
        (shards_of_two_lengths, "reports with panes of 5 s and 10 s cannot be joined"),
        (an_index_alone, "the rows have no column but the index of a frame"),
    ],
)
def test_a_fault_is_told_without_brackets(fault: Callable[[], object], message: str) -> None:
    with pytest.raises(TidegaugeError, match=message) as caught:
        fault()
    assert not set("[]{}") & set(str(caught.value))
