"""Features of more categories than a profile names: no alarm about the luck of those that it chose."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from tidegauge import Counts, Monitor, Policy, Profile, ProfileError, replay
from tidegauge.data.synthetic import Scenario, columns
from tidegauge.profile.features import MAX_CATEGORIES, CategoricalFeature
from tidegauge.protocol.names import Verdict
from tidegauge.stats.tables import Reference

pytestmark = pytest.mark.slow

Rows = npt.NDArray[np.str_]


@pytest.fixture(autouse=True)
def _identifiers_may_be_warned_of() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*looks like an identifier")
        yield


def codes(number: int, zipf: float = 0.0, seed: int = 0) -> Callable[[int], Rows]:
    """A source of codes: `number` of them, the i-th by `zipf` rarer than the first, named at random."""
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, number + 1) ** zipf
    names = np.array([f"sku-{i:06}" for i in random.permutation(number)])
    return lambda n: names[random.choice(number, n, p=share / share.sum())]


def sensitive(**values: Any) -> Policy:
    """Independent rows, and whatever is significant alarms."""
    return Policy(**{"design_effect": 1, "min_effect": {"warning": 0, "critical": 0.15}, **values})


def alarms(profile: Profile, live: Any, policy: Policy, rows_per_pane: int = 300) -> list[str]:
    """Causes of the alarms on live rows."""
    history = replay(profile, live, policy, rows_per_pane=rows_per_pane)
    return [change.cause or "" for change in history if change.feature and change.verdict is Verdict.DRIFTING]


def sku(profile: Profile) -> CategoricalFeature:
    feature = profile.feature("sku")
    assert isinstance(feature, CategoricalFeature)
    return feature


class TestNothingChanged:
    @pytest.mark.parametrize(
        ("number", "zipf", "reference_rows"),
        [
            (2000, 0.0, 5000),
            (1100, 0.0, 3000),
            (1500, 0.5, 20_000),
            (10_000, 1.0, 10_000),
            (30_000, 0.8, 10_000),
            (5000, 0.0, 1000),
        ],
    )
    def test_rows_of_the_same_codes_do_not_alarm(self, number: int, zipf: float, reference_rows: int) -> None:
        draw = codes(number, zipf)
        profile = Profile.fit({"sku": draw(reference_rows)})
        assert not alarms(profile, {"sku": draw(60_000)}, sensitive())

    def test_nor_under_the_default_policy(self) -> None:
        draw = codes(4000, 0.6)
        profile = Profile.fit({"sku": draw(5000)})
        assert not alarms(profile, {"sku": draw(30_000)}, Policy())

    @pytest.mark.parametrize(
        ("number", "reference_rows"), [(300, 1000), (300, 1500), (1000, 1000), (900, 4000)]
    )
    def test_nor_where_every_code_has_its_name_but_few_rows(self, number: int, reference_rows: int) -> None:
        """Which codes are rare enough to be pooled was chosen by the same rows too."""
        draw = codes(number)
        profile = Profile.fit({"sku": draw(reference_rows)})
        assert sku(profile).held_out is None
        assert not alarms(profile, {"sku": draw(60_000)}, sensitive())

    def test_nor_does_a_prediction_of_many_classes(self) -> None:
        draw = codes(3000)
        profile = Profile.fit({"x": np.ones(6000)}, prediction=draw(6000))
        live = {"x": np.ones(30_000), "prediction": draw(30_000)}
        assert not alarms(profile, live, sensitive())

    def test_nor_does_traffic_that_is_drawn_from_the_profile(self) -> None:
        profile = Profile.fit({"sku": codes(2000)(5000), "colour": codes(4, seed=1)(5000)})
        drawn = columns(profile, 30_000, Scenario.BASELINE, np.random.default_rng(3))
        assert not alarms(profile, drawn, Policy(design_effect=1))

    def test_nor_against_hours_of_the_day(self) -> None:
        draw, random = codes(2000), np.random.default_rng(1)
        at = lambda n: np.sort(random.uniform(0, 2 * 86_400, n))  # noqa: E731
        with_hours = Profile.fit(
            pd.DataFrame({"sku": draw(30_000), "at": at(30_000)}), time="at", hour_of_day=True
        )
        live = pd.DataFrame({"sku": draw(30_000), "at": at(30_000)})
        found = replay(with_hours, live, sensitive(), time="at", pane="1h")
        assert not [change for change in found if change.verdict is Verdict.DRIFTING]


class TestSomethingChanged:
    def test_half_of_the_codes_gone_is_found(self) -> None:
        draw = codes(2000)
        profile = Profile.fit({"sku": draw(100_000)})
        live = draw(40_000)
        left = live[[name[-1] in "02468" for name in live]]
        assert alarms(profile, {"sku": left}, Policy(design_effect=1))

    def test_codes_that_nobody_knew_are_found(self) -> None:
        draw = codes(5000, 1.0)
        profile = Profile.fit({"sku": draw(20_000)})
        live = draw(10_000).astype("U16")
        live[::4] = "new"
        assert "unseen" in alarms(profile, {"sku": live}, Policy(design_effect=1))

    def test_a_season_of_other_codes_is_found(self) -> None:
        before, after = codes(20_000, 1.1, seed=3), codes(20_000, 1.1, seed=4)
        profile = Profile.fit({"sku": before(20_000)})
        assert alarms(profile, {"sku": after(5000)}, Policy(design_effect=1))


class TestTheChoice:
    def test_of_rows_held_out_the_share_of_other_codes_is_right_on_average(self) -> None:
        others, truth = [], []
        for seed in range(40):
            draw = codes(2000, seed=seed)
            feature = sku(Profile.fit({"sku": draw(4000)}))
            assert feature.held_out is not None
            others.append(feature.held_out[-1] / feature.held_out.sum())
            truth.append(1 - len(feature.categories) / 2000)
        assert np.mean(others) == pytest.approx(np.mean(truth), abs=0.006)

    def test_all_rows_are_counted_and_about_half_of_them_held_out(self) -> None:
        rows = codes(3000, 0.7)(20_000)
        profile = Profile.fit({"sku": rows})
        feature = sku(profile)
        assert len(feature.categories) == MAX_CATEGORIES
        assert np.array_equal(profile.count({"sku": rows}).cells, feature.counts)
        assert feature.held_out is not None
        assert 0.48 < feature.held_out.sum() / 20_000 < 0.52

    def test_the_same_rows_in_any_order_and_any_form_give_the_same_bytes(self, tmp_path: Path) -> None:
        rows = codes(2500, 0.4)(30_000)
        shuffled = np.random.default_rng(5).permutation(rows)
        pd.DataFrame({"sku": shuffled}).to_csv(tmp_path / "rows.csv", index=False)
        pd.DataFrame({"sku": rows}).to_parquet(tmp_path / "rows.parquet", row_group_size=999)
        sources = (
            {"sku": rows},
            pd.DataFrame({"sku": shuffled}),
            tmp_path / "rows.csv",
            tmp_path / "rows.parquet",
        )
        assert len({Profile.fit(source).to_bytes() for source in sources}) == 1

    def test_texts_that_the_choosing_rows_never_held_have_no_name(self) -> None:
        feature = sku(Profile.fit({"sku": [f"one-{i}" for i in range(1100)]}))
        assert 480 < len(feature.categories) < 620
        assert feature.held_out is not None
        assert not feature.held_out[:-1].any()

    def test_where_every_text_has_a_name_nothing_is_held_out(self) -> None:
        profile = Profile.fit({"sku": [f"sku-{i % MAX_CATEGORIES}" for i in range(5000)]})
        assert sku(profile).held_out is None
        assert b"held_out" not in profile.to_bytes()

    def test_a_document_with_rows_held_out_is_read_back(self) -> None:
        profile = Profile.fit({"sku": codes(2000)(5000)})
        again = Profile.from_bytes(profile.to_bytes())
        assert again == profile
        assert np.array_equal(Reference(again).share, Reference(profile).share)

    def test_more_rows_held_out_than_counted_are_refused(self) -> None:
        document = Profile.fit({"sku": codes(2000)(5000)}).to_dict()
        document["features"][0]["held_out"][0] = document["features"][0]["counts"][0] + 1
        with pytest.raises(ProfileError, match="held out"):
            Profile.from_dict(document)


def _detected(
    profile: Profile, share: npt.NDArray[np.float64], cells: Any, n: int, alpha: float, random: Any
) -> Any:
    """Whether one window of `n` rows is significant at `alpha`, by feature."""
    monitor = Monitor(profile, Policy(design_effect=1, scales=1, period="10s", false_alarms=alpha), pairs=1)
    drawn = [random.multinomial(n, share) for _ in cells]
    counted = [np.append(c[at], n - c[at].sum()) for c, at in zip(drawn, cells, strict=True)]
    zero = np.zeros(len(cells), dtype=np.int64)
    monitor.add(0, Counts(profile, n, np.concatenate(counted), zero, zero.copy()))
    return monitor.look(0).strongest.detected


ALPHA = 0.01
GRID = [
    (number, zipf, reference_rows)
    for number in (300, 1100, 2000, 10_000, 100_000)
    for zipf in (0.0, 1.0)
    for reference_rows in (1000, 10_000, 100_000)
]


def _share_detected(number: int, zipf: float, reference_rows: int) -> float:
    """Share of windows of rows like the reference's that are significant, over 10 references."""
    random = np.random.default_rng([number, reference_rows, int(zipf)])
    share = 1 / np.arange(1, number + 1) ** zipf
    share /= share.sum()
    names = np.array([f"sku-{i:06}" for i in random.permutation(number)])
    place = {name: i for i, name in enumerate(names)}
    columns = {f"sku{j}": names[random.choice(number, reference_rows, p=share)] for j in range(10)}
    profile = Profile.fit(columns)
    cells = [np.array([place[name] for name in f.categories]) for f in profile.features]  # type: ignore[union-attr]
    found = [
        _detected(profile, share, cells, n, ALPHA, random).mean()
        for n in (300, 3000, 30_000, 300_000)
        for _ in range(10)
    ]
    return float(np.mean(found))


@pytest.mark.soak
def test_windows_of_any_size_are_significant_as_seldom_as_they_should_be() -> None:
    """Measured: 0.0097 over the grid. Windows of one reference share its luck, so 400 count as 40 here."""
    found = {case: _share_detected(*case) for case in GRID}
    assert max(found.values()) <= ALPHA + 3 * np.sqrt(ALPHA / 40), found
    assert np.mean(list(found.values())) <= ALPHA + np.sqrt(ALPHA / (40 * len(GRID))), found
