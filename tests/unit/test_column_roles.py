"""Whether a column that two arguments of Python use is refused, whatever the data are made of."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tidegauge import Profile, ProfileError
from tidegauge.pack import pack_model

N = 60
COLUMNS = {
    "x": np.arange(N) / 7,
    "id": np.arange(N) % 5,
    "t": 1.7e9 + 60 * np.arange(N),
    "price": np.arange(N) / 3,
}


def as_csv(folder):
    path = folder / "rows.csv"
    pd.DataFrame(COLUMNS).to_csv(path, index=False)
    return path


FORMS = {
    "pandas": lambda _: pd.DataFrame(COLUMNS),
    "polars": lambda _: pl.DataFrame(COLUMNS),
    "mapping": lambda _: dict(COLUMNS),
    "csv": as_csv,
}


@pytest.fixture(params=FORMS)
def rows(request, tmp_path):
    return FORMS[request.param](tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"time": "t", "prediction": "t"}, "time='t' and prediction='t': give one of them"),
        ({"feature_names": ["x", "t"], "time": "t"}, "feature_names=['t'] and time='t': give one of them"),
        (
            {"feature_names": ["x", "price"], "prediction": "price"},
            "feature_names=['price'] and prediction='price': give one of them",
        ),
        (
            {"feature_names": ["x", "id"], "exclude": ["id"]},
            "feature_names=['id'] and exclude=['id']: give one of them",
        ),
        (
            {"prediction": "price", "exclude": ["price"]},
            "prediction='price' and exclude=['price']: give one of them",
        ),
        (
            {"categorical": ["id"], "exclude": ["id"]},
            "categorical=['id'] and exclude=['id']: give one of them",
        ),
        ({"categorical": ["t"], "time": "t"}, "categorical=['t'] and time='t': give one of them"),
        (
            {"dtypes": {"t": "float32"}, "time": "t"},
            "dtypes={'t': 'float32'} and time='t'; give one of them",
        ),
        (
            {"dtypes": {"x": "float32"}, "exclude": ["x"]},
            "dtypes={'x': 'float32'} and exclude=['x']; give one of them",
        ),
        (
            {"feature_names": ["x"], "categorical": ["id"]},
            "categorical=['id']: feature_names= does not name it; name it there too",
        ),
        (
            {"feature_names": ["x"], "dtypes": {"id": "float32"}},
            "dtypes={'id': 'float32'}: feature_names= does not name it; name it there too",
        ),
    ],
)
def test_a_column_with_two_purposes_is_refused_from_python(rows, arguments, message):
    with pytest.raises(ProfileError) as refused:
        Profile.fit(rows, **arguments)
    assert str(refused.value) == message


def test_names_of_an_arrays_columns_may_include_the_time_and_the_prediction():
    array = np.column_stack(list(COLUMNS.values()))
    profile = Profile.fit(array, feature_names=[*COLUMNS], time="t", prediction="price", exclude=["id"])
    assert [feature.name for feature in profile.monitored] == ["x", "prediction"]


@pytest.mark.parametrize("name", ["price", "prediction"])
def test_a_dtype_of_the_prediction_holds_under_either_of_its_names(rows, name):
    profile = Profile.fit(rows, prediction="price", dtypes={name: "float32"})
    assert profile.prediction.dtype == "float32"


@pytest.mark.parametrize("name", ["id", "prediction"])
def test_a_prediction_is_categorical_under_either_of_its_names(rows, name):
    profile = Profile.fit(rows, prediction="id", categorical=[name])
    assert profile.prediction.kind == "categorical"


def test_the_dtype_of_a_prediction_may_be_given_beside_chosen_features(rows):
    profile = Profile.fit(rows, feature_names=["x"], prediction="price", dtypes={"price": "float32"})
    assert [feature.dtype for feature in profile.monitored] == ["float64", "float32"]


def test_the_target_of_a_packed_model_is_no_time_of_its_rows(tmp_path):
    with pytest.raises(ProfileError, match="time='price' and target='price': give one of them"):
        pack_model(tmp_path / "model", as_csv(tmp_path), tmp_path / "out", target="price", time="price")
    assert not (tmp_path / "out").exists()
