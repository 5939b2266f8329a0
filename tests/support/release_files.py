"""What a release wrote, kept so that later programs are seen to read it.

``python -m support.release_files`` writes the files of this version into ``tests/data/VERSION/``: a profile,
a pane of its counts in base64, and an aggregator's store as SQL. They are written once, at the release, and
stay as they are.
"""

import asyncio
import base64
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from support.store_fixture import DATA, FILE_NAME, dump, fill, version_of

from tidegauge.__about__ import __version__
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane

PROFILE, PANE, STORE = "profile.json", "pane.txt", "store.sql"
RELEASES = sorted(each.name for each in DATA.iterdir() if each.is_dir())
PANE_SECONDS, HOUR = 10, 3600
FIRST_PANE = 180_000_000


def reference(rows: int = 4000) -> pd.DataFrame:
    """Rows with every kind of column: gaps, infinities, texts, whole numbers, times over two weeks."""
    random = np.random.default_rng(20)
    sqft = random.gamma(3.0, 40.0, rows)
    sqft[::50], sqft[7::500] = np.nan, np.inf
    return pd.DataFrame(
        {
            "sqft": sqft,
            "rooms": random.integers(1, 7, rows),
            "age": random.normal(30.0, 9.0, rows).astype(np.float32),
            "town": np.where(
                random.random(rows) < 0.03, None, random.choice(["bergen", "oslo", "tromsø"], rows)
            ),
            "price": random.lognormal(12.0, 0.3, rows),
            "time": 1.79e9 + np.arange(rows) * (14 * 24 * HOUR / rows),
        }
    )


def live(rows: int = 300) -> pd.DataFrame:
    """Rows that the pane counts: the last ones of the reference, with a town that it did not see."""
    frame = reference().tail(rows).drop(columns="time").rename(columns={"price": "prediction"})
    return frame.assign(town=frame["town"].where(frame["rooms"] > 1, "bodø"))


def fitted() -> Profile:
    """The profile that this version makes of the reference."""
    return Profile.fit(reference(), 32, prediction="price", time="time", hour_of_day=True)


def write(folder: Path) -> None:
    """Write this version's files into a folder."""
    folder.mkdir(exist_ok=True)
    profile, rows = fitted(), live()
    profile.save(folder / PROFILE)
    pane = Pane(
        model="house-prices",
        profile=profile.hash,
        pane=FIRST_PANE,
        pane_seconds=PANE_SECONDS,
        instance="a",
        pod="house-prices-0",
        rows=len(rows),
        rows_before=0,
        lost={"full": 2},
        lost_before=0,
        shard=0,
        shards=1,
        final=False,
        counts=profile.count(rows).to_bytes(),
    )
    (folder / PANE).write_text(base64.encodebytes(pane.to_bytes()).decode())
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(fill(Path(name)))
        store = Path(name, FILE_NAME)
        (folder / STORE).write_text(
            "\n".join([*dump(store), f"PRAGMA user_version={version_of(store)};", ""])
        )


if __name__ == "__main__":
    write(DATA / __version__)
