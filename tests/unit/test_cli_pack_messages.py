"""What newcomers to `pack` are told: the option, the value and the next step, and no Python."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from support.command_line import assert_plain_words, tidegauge

from tidegauge.errors import SchemaError
from tidegauge.pack.inputs import training_rows

pytestmark = pytest.mark.slow


def table(rows=60):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(rows, 2)), columns=["sqft", "rooms"])
    return frame.assign(
        price=frame["sqft"] * 3 - frame["rooms"],
        day=20240101 + np.arange(rows) % 20,
        year=2000 + np.arange(rows) % 20,
        gaps=[None, "2026-01-01"] * (rows // 2),
    )


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Files as a newcomer has them."""
    monkeypatch.chdir(tmp_path)
    frame = table()
    frame.to_csv("t.csv", index=False)
    frame[["sqft", "day"]].to_csv("half.csv", index=False)
    frame[["sqft"]].rename(columns={"sqft": "sqfeet"}).assign(rooms=1).to_csv("other.csv", index=False)
    joblib.dump(LinearRegression().fit(frame[["sqft", "rooms"]], frame["price"]), "m.joblib")
    joblib.dump(LinearRegression().fit(frame[["sqft", "rooms"]].to_numpy(), frame["price"]), "n.joblib")
    (tmp_path / "train.py").write_text("import joblib\n")
    (tmp_path / "noise").write_bytes(bytes([1, 255, 3, 4]))
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "best.joblib").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    return tmp_path


PACK = "pack -o bundle --model m.joblib --data t.csv"
TOLD = {
    f"{PACK} --target prise": ("--target prise: no such column", "did you mean price?"),
    f"{PACK} --exclude dya": ("--exclude dya: no such column", "did you mean day?"),
    f"{PACK} --time dya": ("--time dya: no such column", "did you mean day?"),
    f"{PACK} --target nope": ("--target nope", "there are sqft, rooms, price"),
    f"{PACK} --target sqft": ("--target sqft: the model was fitted on this column",),
    f"{PACK} --target price --time day": ("--time day: numbers", "look like dates such as 20240131"),
    f"{PACK} --target price --time year": ("--time year: numbers", "look like years"),
    f"{PACK} --target price --time gaps": ("--time gaps: row 0 has no time", "2026-01-31T12:00:00Z"),
    "pack -o bundle --model m.joblib --data half.csv": ("no column rooms", "there are sqft, day"),
    "pack -o bundle --model m.joblib --data other.csv": ("no column sqft", "did you mean sqfeet?"),
    "pack -o bundle --model n.joblib --data t.csv": (
        "the model takes 2 features, the training data has 6: sqft, rooms",
        "--target",
        "--exclude",
    ),
    "pack -o bundle --model train.py --data t.csv": ("train.py is no model", 'begins with "import joblib"'),
    "pack -o bundle --model noise --data t.csv": ("begins with the bytes 01 ff 03 04",),
    "pack -o bundle --model nothing --data t.csv": ("nothing is no model that is known, it is empty",),
    "pack -o bundle --model models --data t.csv": ("MLmodel", "it has best.joblib", "the model's own file"),
    "pack -o bundle --model empty --data t.csv": ("MLmodel", "it is empty"),
}


@pytest.mark.parametrize("command", TOLD)
def test_a_mistake_in_packing_is_told_with_its_value_and_the_next_step(command, folder):
    result = tidegauge(*command.split())
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()[-1]
    assert [word for word in TOLD[command] if word not in last] == [], last
    assert "no form of this" not in last, last
    assert_plain_words(last.split("; write pandas")[0])  # a line of Python that mends times
    assert not (folder / "bundle").exists()


def test_wrong_times_are_told_in_packing_as_in_a_profile():
    packed = tidegauge(*f"{PACK} --target price --time day".split())
    built = tidegauge("profile", "build", "t.csv", "--time", "day")
    assert packed.stderr.splitlines()[-1] == built.stderr.splitlines()[-1]


def test_times_are_checked_before_any_form_is_tried():
    frame = table()
    model = LinearRegression().fit(frame[["sqft", "rooms"]], frame["price"])
    with pytest.raises(SchemaError, match="time='day': numbers"):
        training_rows(model, frame, target="price", time="day")
