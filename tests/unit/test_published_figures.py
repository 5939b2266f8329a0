"""What people and programs read: shares are shares, one p-value for the same rows, and words that fit."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge import Monitor, Policy, Profile, replay
from tidegauge.monitor.pods import PodRows, bin_rows, name_pods
from tidegauge.protocol.names import Verdict
from tidegauge.report.explanation import why
from tidegauge.report.model import FeatureReport, Report

SHARES = {
    *("statistic", "lower", "upper", "pvalue", "floor"),
    *("missing_rate", "reference_missing_rate", "unseen_rate", "exceedance_rate"),
}


def shares_of(document: Any) -> Iterator[tuple[str, float]]:
    """Every share in a document, however deep."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name in SHARES and value is not None:
                yield name, value
            yield from shares_of(value)
    elif isinstance(document, list):
        for item in document:
            yield from shares_of(item)


def assert_shares(document: Any) -> None:
    found = list(shares_of(json.loads(json.dumps(document))))
    assert found
    assert not [(name, value) for name, value in found if not 0 <= value <= 1]


VALUES = st.sampled_from([0.0, 1.0, 2.5, -3.0, 1e6, None])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    reference=st.lists(VALUES, min_size=1, max_size=60),
    live=st.lists(VALUES, min_size=1, max_size=80),
    effect=st.sampled_from([None, 1.0, 300.0]),
)
@pytest.mark.filterwarnings("ignore:column 'x' has no values")
def test_every_published_share_lies_between_0_and_1(reference: Any, live: Any, effect: float | None) -> None:
    profile = Profile.fit({"x": reference, "word": [str(value) for value in reference]})
    rows = {"x": live, "word": [str(value) for value in live]}
    policy = Policy(design_effect=effect)
    assert_shares([change.to_dict() for change in replay(profile, rows, policy, rows_per_pane=7)])
    monitor = Monitor(profile, policy)
    monitor.add(0, profile.count(rows))
    assert_shares(monitor.report(0).to_dict())


@pytest.mark.slow
def test_replay_publishes_shares_with_a_design_effect_from_times() -> None:
    random = np.random.default_rng(0)
    at = np.arange(20_000) * 3600.0
    profile = Profile.fit({"hour": random.integers(0, 24, 20_000).astype(float), "t": at}, time="t")
    live = {"hour": np.full(6, 5.0), "t": np.arange(6) * 600.0}
    found = [change.to_dict() for change in replay(profile, live, time="t", pane="1h")]
    assert_shares(found)
    assert {change["lower"] for change in found} == {0.0}


def test_pods_publish_shares() -> None:
    random = np.random.default_rng(1)
    profile = Profile.fit({"x": random.normal(size=5000), "y": random.normal(size=5000)})
    monitor = Monitor(profile, Policy(design_effect=1))
    pods = []
    for pod in ("a", "b"):
        counts = profile.count({"x": random.normal(3, 0.1, 300), "y": [None] * 300})
        monitor.add(0, counts)
        pods.append(PodRows(pod, pod, {0: bin_rows(counts, monitor.reference)}))
    document = name_pods(monitor.report(0), monitor.look(0, whole=True), pods, None).to_dict()
    assert document["features"][0]["pods"]
    assert_shares(document)


def _report(profile: Profile, rows: Any, policy: Policy | None = None) -> Report:
    monitor = Monitor(profile, policy)
    monitor.add(0, profile.count(rows))
    return monitor.report(0)


class TestOnePValue:
    def _dependent(self) -> tuple[Profile, pd.DataFrame]:
        """Days of rows whose level wanders from day to day: each row says less than it seems to."""
        random = np.random.default_rng(3)
        seconds = np.sort(random.uniform(0, 30 * 86_400, 30_000))
        level = random.normal(0, 0.5, 31)[(seconds // 86_400).astype(int)]
        frame = pd.DataFrame({"x": level + random.normal(size=30_000), "t": seconds})
        return Profile.fit(frame, time="t"), frame

    @pytest.mark.slow
    @pytest.mark.parametrize("policy", [None, Policy(design_effect=1), Policy(design_effect=20)])
    def test_of_the_same_rows_the_report_and_the_counts_say_the_same(self, policy: Policy | None) -> None:
        profile, frame = self._dependent()
        rows = {"x": frame["x"][-1500:].to_numpy()}
        found = _report(profile, rows, policy).features["x"]
        ours = profile.count(rows).ks("x", design_effect=found.design_effect)
        assert ours.statistic == pytest.approx(found.statistic)
        assert ours.pvalue == pytest.approx(found.pvalue)

    def test_counts_take_the_most_that_the_profile_knows(self) -> None:
        profile, frame = self._dependent()
        counts = profile.count({"x": frame["x"][-1500:].to_numpy()})
        known = profile.feature("x").design_effect
        assert known is not None
        assert max(known.values) > 10
        assert counts.ks("x").design_effect == counts.ks()["x"].design_effect == max(known.values)
        assert counts.ks("x").pvalue > 100 * counts.ks("x", design_effect=1).pvalue

    def test_without_times_rows_are_taken_as_independent(self) -> None:
        random = np.random.default_rng(4)
        profile = Profile.fit({"x": random.normal(size=3000), "y": random.normal(size=3000)})
        counts = profile.count({"x": random.normal(0.1, 1, 500), "y": random.normal(size=500)})
        assert {one.design_effect for one in counts.ks().values()} == {1.0}
        assert counts.ks(design_effect=4)["x"] == counts.ks("x", design_effect=4)


class TestWords:
    def _why(self, reference: Any, live: Any) -> str:
        return why(_report(Profile.fit({"x": reference}), {"x": live}, Policy(design_effect=1)).features["x"])

    def test_a_missing_rate_that_fell(self) -> None:
        words = self._why([1.5, None] * 2000, [1.5] * 1000)
        assert words == (
            "missing in 0.0 % of the rows, in 50.0 % of the reference's: values come that did not come before"
        )

    def test_a_missing_rate_that_rose(self) -> None:
        words = self._why([1.5, 2.5, 3.5, None] * 1000, [1.5, 2.5, 3.5, None, None, None] * 500)
        assert words == "missing in 50.0 % of the rows, in 25.0 % of the reference's"

    @pytest.mark.parametrize(("shift", "word"), [(1.0, "larger"), (-1.0, "smaller")])
    def test_values_that_moved(self, shift: float, word: str) -> None:
        random = np.random.default_rng(5)
        assert f"values are {word} than in the reference" in self._why(
            random.normal(size=5000), random.normal(shift, 1, 2000)
        )

    def test_values_that_spread(self) -> None:
        random = np.random.default_rng(6)
        words = self._why(random.normal(size=50_000), random.normal(0, 2, 9000))
        assert words.startswith("values are spread otherwise")

    def test_categories(self) -> None:
        assert "categories have other shares" in self._why(list("ab") * 2000, list("aab") * 700)
        assert self._why(list("ab") * 2000, list("abc") * 700) == (
            "33.3 % of the values are none that the reference names"
        )

    def test_no_reason_is_given_where_nothing_drifts_for_certain(self) -> None:
        assert not self._why(list("ab") * 2000, list("ab") * 700)


def test_words_need_the_standard_library_alone() -> None:
    code = "import sys, tidegauge.report.explanation; sys.exit(bool({'numpy', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_report_of_before_says_nothing_of_the_reference() -> None:
    document = _report(Profile.fit({"x": [1.0, None] * 500}), {"x": [1.0] * 500}).to_dict()
    del document["features"][0]["reference_missing_rate"]
    feature: FeatureReport = Report.from_dict(document).features["x"]
    assert (feature.verdict, feature.cause, feature.reference_missing_rate) == (
        Verdict.DRIFTING,
        "missing",
        None,
    )
    assert not why(feature)
