"""Write a store as SQL text: ``python -m support.store_fixture > tests/data/store-N.sql``.

The text of version N is made once, by the last program that writes version N, and stays as it is. Tests load
it to see that later programs read it.
"""

import asyncio
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
from support.aggregator_rig import START, Clock, Pod, running, small_profile

FILE_NAME = "aggregator.sqlite"
DATA = Path(__file__).parents[1] / "data"
PANES, ROWS = 30, 40  # the last two panes come from a pod whose rows have moved


async def fill(folder: Path) -> None:
    """Two pods; merged panes, unmerged messages, folded and fresh digests, a verdict with its history."""
    profile, rng = small_profile(cut_points=8), np.random.default_rng(8)
    pods = [Pod("a", profile), Pod("b", profile)]
    async with running(folder, Clock()) as rig:
        await rig.put_profile(profile)
        for pane in range(START, START + PANES):
            rig.clock.after(pane)
            for pod in pods:
                shift = 4.0 if pane >= START + PANES - 10 else 0.0
                lost = {"full": 1} if pane == START + 3 else {}
                answer = await rig.send(pod, pane, rng.normal(shift, size=(ROWS, 2)), lost=lost)
                assert answer.status_code == 201
            await rig.evaluate(pane)
        rig.clock.now += 61
        await rig.scheduler.step()
        rig.clock.now += 3700
        for _ in range(3):
            rig.clock.now += 31
            await rig.scheduler.step()
        for pod in pods:
            pane = int(rig.clock.now // 10) - 1
            assert (await rig.send(pod, pane, rng.normal(size=(ROWS, 2)))).status_code == 201
        await rig.evaluate(pane)


def load(version: int, folder: Path) -> Path:
    """Make a store of that version in a folder; returns its file."""
    text = (DATA / f"store-{version}.sql").read_text()
    return load_text(f"{text}\nPRAGMA user_version={version};", folder)


def load_text(sql: str, folder: Path) -> Path:
    """Make the store that SQL describes in a folder; returns its file."""
    path = folder / FILE_NAME
    database = sqlite3.connect(path)
    database.executescript(sql)
    database.close()
    return path


def version_of(path: Path) -> int:
    """The version that a store says it has."""
    database = sqlite3.connect(path)
    try:
        return int(database.execute("PRAGMA user_version").fetchone()[0])
    finally:
        database.close()


def dump(path: Path) -> list[str]:
    """All rows and tables as SQL."""
    database = sqlite3.connect(path)
    try:
        return list(database.iterdump())
    finally:
        database.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(fill(Path(name)))
        print("\n".join(dump(Path(name, FILE_NAME))))
