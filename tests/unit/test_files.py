"""Profiles of CSV and Parquet files, in chunks: as of data in memory, where the sample holds them all."""

import gzip
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tidegauge import NumericFeature, Profile, ProfileError, SchemaError, replay
from tidegauge.data import csv_table, sources
from tidegauge.fit import fitting

RANDOM = np.random.default_rng(13)
ROWS = 5000
FRAME = pd.DataFrame(
    {
        "a": np.where(RANDOM.random(ROWS) < 0.05, np.nan, RANDOM.normal(size=ROWS)),
        "b": RANDOM.integers(-3, 4, ROWS),
        "c": np.where(RANDOM.random(ROWS) < 0.05, None, RANDOM.choice(["x", "y", "zoo"], ROWS)),
        "d": RANDOM.random(ROWS) < 0.3,
        "t": pd.date_range("2024-01-01", periods=ROWS, freq="min"),
        "p": RANDOM.lognormal(size=ROWS),
    }
)
OPTIONS: dict[str, Any] = {"time": "t", "hour_of_day": True, "prediction": "p"}


@pytest.fixture(params=["csv", "csv.gz", "parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"train.{request.param}"
    if request.param == "parquet":
        FRAME.to_parquet(path)
    else:
        FRAME.to_csv(path, index=False)
    return path


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CHUNK_ROWS", 700)
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", 20_000)


@pytest.mark.slow
@pytest.mark.usefixtures("small_chunks")
def test_a_file_gives_the_profile_of_the_frame(path: Path) -> None:
    assert len(list(sources.chunks_of(path))) > 5
    assert Profile.fit(path, 200, **OPTIONS) == Profile.fit(FRAME, 200, **OPTIONS)


@pytest.mark.slow
@pytest.mark.usefixtures("small_chunks")
def test_a_file_is_counted_as_the_frame_is(path: Path) -> None:
    profile = Profile.fit(FRAME, 200, **OPTIONS)
    assert profile.count(path, prediction="p") == profile.count(FRAME, prediction="p")
    assert profile.count(str(path)) == profile.count(FRAME)


@pytest.mark.slow
@pytest.mark.usefixtures("small_chunks")
def test_a_file_larger_than_the_sample_is_still_counted_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "SAMPLE_ROWS", 1000)
    sampled, whole = Profile.fit(path, 50, **OPTIONS), Profile.fit(FRAME, 50, **OPTIONS)
    assert sampled == Profile.fit(path, 50, **OPTIONS), "the sample is seeded"
    for one, other in zip(sampled.monitored, whole.monitored, strict=True):
        assert one.total == other.total
        assert one.missing == other.missing
        if isinstance(one, NumericFeature) and isinstance(other, NumericFeature):
            assert (one.min, one.max) == (other.min, other.max)
            assert (one.mean, one.sd) == (
                pytest.approx(other.mean, rel=1e-12),
                pytest.approx(other.sd, rel=1e-12),
            )
            assert one.beyond == other.beyond
            ranks = np.searchsorted(
                np.sort(FRAME[one.name if one.name != "prediction" else "p"]), one.cut_points
            )
            expected = np.searchsorted(
                np.sort(FRAME[one.name if one.name != "prediction" else "p"]), other.cut_points
            )
            assert np.abs(ranks - expected).max() < 0.08 * ROWS
    assert sampled.feature("b").distinct == 7, "few distinct values are all kept"
    assert sampled.features[1].counts.tolist() == whole.features[1].counts.tolist()
    assert sampled.feature("a").distinct is None


@pytest.mark.slow
def test_numbers_that_become_fractions_or_texts_late_in_a_csv_file(tmp_path: Path) -> None:
    lines = ["1,1,x"] * 40_000 + ["2.5,many,y"]
    (tmp_path / "late.csv").write_text("\n".join(["a,b,c", *lines]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_table, "BLOCK_BYTES", 1000)
        with pytest.warns(UserWarning, match="'b' mixes numbers and texts"):
            profile = Profile.fit(tmp_path / "late.csv")
    assert [feature.kind for feature in profile.features] == ["numeric", "categorical", "categorical"]
    assert profile.features[0].counts[profile.features[0].counts > 0].tolist() == [40_000, 1]
    assert profile.features[1].counts.tolist() == [40_000, 1, 0]


MIXED = "x,kind\n1,a\na,b\n2.5,1e\n,a\nTrue,b\n"


def test_numbers_and_texts_mixed_in_a_csv_file_warn_as_in_a_frame(tmp_path: Path) -> None:
    (tmp_path / "mixed.csv").write_text(MIXED)
    with pytest.warns(UserWarning, match="'x' mixes numbers and texts") as caught:
        profile = Profile.fit(tmp_path / "mixed.csv")
    with pytest.warns(UserWarning, match="'x' mixes numbers and texts") as caught_of_frame:
        Profile.fit({"x": [1, "a", 2.5, None, True]})
    (text,), (text_of_frame,) = ([str(w.message) for w in each] for each in (caught, caught_of_frame))
    assert text == text_of_frame
    assert profile.feature("x").kind == "categorical"


@pytest.mark.parametrize("mark", ["n.a.", "?", "-", "unknown"])
def test_many_numbers_and_a_mark_are_a_mixture_no_identifier(mark: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [*(i / 7 for i in range(2000)), mark], "y": range(0, 6003, 3)})
    frame.to_csv(tmp_path / "x.csv", index=False)
    for rows in (tmp_path / "x.csv", pd.read_csv(tmp_path / "x.csv"), frame):
        with pytest.warns(UserWarning, match="'x' mixes numbers and texts") as caught:
            Profile.fit(rows, exclude=["y"])
        assert len(caught) == 1


def test_hexadecimal_keys_of_which_some_are_numbers_are_an_identifier(tmp_path: Path) -> None:
    keys = [f"{i * 7919 % 2**20:05x}" for i in range(3000)]
    pd.DataFrame({"x": keys, "y": 1}).to_csv(tmp_path / "x.csv", index=False)
    with pytest.warns(UserWarning, match="'x' looks like an identifier"):
        Profile.fit(tmp_path / "x.csv")


def test_a_mixture_in_a_csv_file_can_be_meant_or_be_numbers(tmp_path: Path) -> None:
    (tmp_path / "mixed.csv").write_text(MIXED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Profile.fit(tmp_path / "mixed.csv", categorical=["x"]).feature("x").kind == "categorical"
        numbers = Profile.fit(tmp_path / "mixed.csv", dtypes={"x": "float64"}).feature("x")
        pd.DataFrame({"x": ["1", "a"]}).to_parquet(tmp_path / "typed.parquet")
        Profile.fit(tmp_path / "typed.parquet")
    of_frame = Profile.fit({"x": [1, "a", 2.5, None, True]}, dtypes={"x": "float64"}).feature("x")
    assert (numbers.total, numbers.missing) == (of_frame.total, of_frame.missing) == (3, 2)


@pytest.mark.parametrize("sample", [2000, 10**6])
def test_a_numeric_identifier_in_a_file_is_named_also_by_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: int
) -> None:
    monkeypatch.setattr(fitting, "SAMPLE_ROWS", sample)
    numbers = RANDOM.permutation(20_000)
    frame = pd.DataFrame({"customer": numbers, "twice": numbers // 2, "wide": numbers * 977})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    for name in ("x.csv", "x.parquet"):
        with pytest.warns(UserWarning, match=r"'customer' looks like an identifier \(20000 whole") as caught:
            Profile.fit(tmp_path / name)
        assert len(caught) == 1


def test_missing_marks_of_csv_are_missing(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,x\n,\nNA,NA\nNaN,null\n")
    profile = Profile.fit(tmp_path / "x.csv")
    assert [feature.missing for feature in profile.features] == [3, 3]


@pytest.mark.parametrize("text", ["", "a,b\n", "a,b"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ProfileError, match=r"no reference rows|is empty"):
        Profile.fit(tmp_path / "x.csv")


def test_an_empty_parquet_file_is_refused(tmp_path: Path) -> None:
    FRAME.iloc[:0].to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ProfileError, match="no reference rows"):
        Profile.fit(tmp_path / "x.parquet", exclude=["t"])


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(SchemaError, match="'a' is there twice"):
        Profile.fit(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["x.parquet", "x.csv.gz", "x.csv"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    data = {"x.csv.gz": gzip.compress(b"a\n1\n" * 9999)[:-9], "x.csv": b"a,b\n1,2\n3\n"}.get(
        name, b"PAR1junkPAR1"
    )
    (tmp_path / name).write_bytes(data)
    with pytest.raises((ProfileError, OSError)):
        Profile.fit(tmp_path / name)


def test_a_file_of_unknown_kind_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"must end with one of \.csv"):
        Profile.fit("train.xlsx")


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "none/x.csv.gz", "x\0.csv"])
def test_a_file_that_is_not_there_is_named_in_one_sentence(tmp_path: Path, name: str) -> None:
    profile, said = (
        Profile.fit({"a": np.arange(9.0)}),
        f"{tmp_path / name}: there is no such file: give the path",
    )
    asked: list[Callable[[Path], object]] = [
        Profile.fit,
        profile.count,
        lambda path: list(replay(profile, path, rows_per_pane=10)),
    ]
    for ask in asked:
        with pytest.raises(FileNotFoundError, match=re.escape(said)) as caught:
            ask(tmp_path / name)
        assert isinstance(caught.value, ProfileError)
        assert "rrno" not in str(caught.value)


def test_a_files_prediction_and_time_are_names_of_columns(path: Path) -> None:
    with pytest.raises(ProfileError, match=r"prediction=.*: of a file it must be the name"):
        Profile.fit(path, prediction=np.zeros(ROWS))
    with pytest.raises(ProfileError, match=r"time=.*: of a file it must be the name"):
        Profile.fit(path, time=np.zeros(ROWS))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_reading_a_file_holds_little_of_it_in_memory(tmp_path: Path, suffix: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(sources, "CHUNK_ROWS", 5000)
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", 40_000)
    path = tmp_path / f"x.{suffix}"
    frame = pd.DataFrame(RANDOM.normal(size=(200_000, 4)), columns=list("abcd"))
    if suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, row_group_size=5000)
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in sources.chunks_of(path)]
    assert len(held) >= 40
    assert max(held) < frame.memory_usage().sum() / 3


@pytest.mark.parametrize(
    "texts",
    [["07030", "10001"], ["1.0", "2"], ["12:30", "08:15"], ["true", "x"], ["2024-01-01", "2023-05-06"]],
    ids=["codes", "versions", "times", "truth", "dates"],
)
def test_categories_that_look_like_something_else_are_the_same_from_csv(
    tmp_path: Path, texts: list[str]
) -> None:
    """The profile says that they are categories: then a CSV file's own guess does not count."""
    frame = pd.DataFrame({"x": np.arange(200.0), "kind": texts * 100})
    profile = Profile.fit(frame, categorical=["kind"])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    counted = profile.count(tmp_path / "rows.csv")
    np.testing.assert_array_equal(counted.cells, profile.count(frame).cells)


def test_a_profile_of_a_csv_file_keeps_the_texts_of_its_categories(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("zip,flag,size\n07030,true,1.0\n10001,FALSE,2.5\n07030,true,1.0\n")
    profile = Profile.fit(tmp_path / "rows.csv", categorical=["zip", "flag", "size"])
    known = {feature.name: set(feature.codes) for feature in profile.features}
    assert known == {"zip": {"07030", "10001"}, "flag": {"True", "False"}, "size": {"1", "2.5"}}
    served = profile.count([{"zip": "07030", "flag": True, "size": 1.0}])
    assert [served.feature(name).cells[-1] for name in known] == [0, 0, 0], "none is unseen"


def test_the_index_that_pandas_leaves_in_parquet_is_no_feature(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(100.0), "y": np.arange(100.0) ** 2}).sample(frac=0.5, random_state=1)
    frame.to_parquet(tmp_path / "rows.parquet")
    profile = Profile.fit(tmp_path / "rows.parquet")
    assert profile.names == ("x", "y")
    assert profile.hash == Profile.fit(frame).hash


def test_times_in_milliseconds_are_named() -> None:
    frame = pd.DataFrame({"x": np.arange(100.0), "t": 1_700_000_000_000 + np.arange(100) * 1000})
    with pytest.raises(SchemaError, match=r"row 0 has the time .*divide milliseconds by 1,000"):
        Profile.fit(frame, time="t")


def test_a_csv_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("city\nZürich\nBern\n".encode("latin-1"))
    with pytest.raises(SchemaError, match=r"column 'city' of .*rows.csv is not in UTF-8"):
        Profile.fit(tmp_path / "rows.csv")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_csv_file_without_commas_is_refused(tmp_path: Path, separator: str) -> None:
    (tmp_path / "rows.csv").write_text(f"a{separator}b\n1{separator}2\n")
    with pytest.raises(ProfileError, match="write it with commas"):
        Profile.fit(tmp_path / "rows.csv")
