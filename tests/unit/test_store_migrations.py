"""A store that an earlier program wrote is read by this one, whatever happens on the way."""

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.aggregator_rig import START, Clock, Pod, in_loop, running, small_profile
from support.release_files import RELEASES, STORE
from support.store_fixture import DATA, FILE_NAME, PANES, ROWS, dump, load, load_text
from tidegauge_aggregator.store.base import StoreError
from tidegauge_aggregator.store.sqlite import migrations
from tidegauge_aggregator.store.sqlite.migrations import SCHEMA_VERSION, copy_of
from tidegauge_aggregator.store.sqlite.store import open_store

LAST = START + PANES - 1 + 386  # the fixture's newest pane
COUNTED = 2 * (PANES + 1) * ROWS
EARLIER = range(1, SCHEMA_VERSION)
STORES = {f"version {version}": partial(load, version) for version in EARLIER} | {
    f"release {release}": partial(load_text, (DATA / release / STORE).read_text()) for release in RELEASES
}

# Opens a store in a child that is killed at the N-th step, for each N until one of them gets through.
KILLER = """
import os, signal, sqlite3, sys, pathlib
from tidegauge_aggregator.store.sqlite import migrations, store
source, folder = map(pathlib.Path, sys.argv[1:])
left = 0

def step(*arguments):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1

class Killed(sqlite3.Connection):
    def execute(self, *arguments):
        step()
        return super().execute(*arguments)

class Path(type(pathlib.Path())):
    def replace(self, *arguments):
        step()
        return super().replace(*arguments)

store.sqlite3.connect = lambda *a, connect=sqlite3.connect, **k: connect(*a, factory=Killed, **k)
fsync = os.fsync
os.fsync = lambda handle: (step(), fsync(handle))
for number in range(200):
    here = folder / str(number)
    here.mkdir()
    (here / source.name).write_bytes(source.read_bytes())
    child = os.fork()
    if child == 0:
        left = number
        store.SqliteStore(Path(here / source.name)).close()
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
print(number)
"""


def without_indices(lines: list[str]) -> list[str]:
    return sorted(line for line in lines if not line.startswith("CREATE INDEX"))


@pytest.mark.parametrize("written", STORES)
@in_loop
async def test_an_aggregator_goes_on_with_a_store_of_an_earlier_program(tmp_path: Path, written: str) -> None:
    STORES[written](tmp_path)
    profile, clock = small_profile(cut_points=8), Clock(LAST)
    clock.after(LAST)
    async with running(tmp_path, clock) as rig:
        report = await rig.report()
        assert report["coverage"]["rows_counted"] == COUNTED
        assert report["coverage"]["rows_lost"] == 2
        assert len((await rig.get("/v1/history"))["transitions"]) == 9
        await rig.evaluate(LAST + 1)
        shown = await rig.get("/v1/features/x0")
        assert sum(line["rows"] for line in shown["timeline"]) == COUNTED, "the windows hold every row"
        pod = Pod("a", profile, rows=(PANES + 1) * ROWS, lost=1)
        taken = await rig.send(pod, START, np.zeros((1, 2)))
        assert taken.status_code == 200, "a pane that was counted before the change is known"


def schema(path: Path) -> list[str]:
    return sorted("".join(line.split()) for line in dump(path) if line.startswith("CREATE"))


def test_a_new_store_has_the_schema_of_one_that_was_migrated(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    for version in EARLIER:
        folder = tmp_path / str(version)
        folder.mkdir()
        load(version, folder)
        open_store(folder).close()
        assert schema(folder / FILE_NAME) == schema(tmp_path / FILE_NAME)


@pytest.mark.slow
@pytest.mark.parametrize("version", EARLIER)
def test_a_kill_at_any_step_leaves_a_store_with_every_row(tmp_path: Path, version: int) -> None:
    source = load(version, tmp_path)
    rows = without_indices(dump(source))
    lives = tmp_path / "lives"
    lives.mkdir()
    command = [sys.executable, "-c", KILLER, str(source), str(lives)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    kills = int(ended.stdout)
    assert kills > 15, "the kills came too late to say anything"
    copies = 0
    for number in range(kills):
        folder = lives / str(number)
        store = open_store(folder)
        assert [row.key.model for row in store.all_series()] == ["m"]
        store.close()
        assert not list(folder.glob("*.damaged-*"))
        assert not list(folder.glob("*.unfinished"))
        assert without_indices(dump(folder / FILE_NAME)) == rows
        copy = copy_of(folder / FILE_NAME, version)
        assert without_indices(dump(copy)) == rows
        copies += sqlite3.connect(copy).execute("PRAGMA user_version").fetchone() == (version,)
    assert copies == kills


@pytest.mark.parametrize("version", EARLIER)
def test_the_way_back_is_named_and_leads_back(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = load(version, tmp_path)
    before = dump(path)
    open_store(tmp_path).close()
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", version)  # the earlier program
    with pytest.raises(StoreError, match=f"rename {copy_of(path, version).name} to {FILE_NAME}") as refused:
        open_store(tmp_path)
    assert f"version {SCHEMA_VERSION}" in str(refused.value)
    path.unlink()
    copy_of(path, version).rename(path)
    store = open_store(tmp_path)
    assert len(store.all_series()) == 1
    store.close()
    assert dump(path) == before


def test_a_store_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StoreError, match=r"version 99.*start the newer program again") as refused:
        open_store(tmp_path)
    assert "go back" not in str(refused.value), "there is no copy to go back to"
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_where_no_copy_can_be_made_the_store_goes_on_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = load(1, tmp_path)
    rows = without_indices(dump(path))
    (tmp_path / f"{copy_of(path, 1).name}.unfinished").mkdir()  # a name that no copy can take
    with caplog.at_level(logging.WARNING):
        open_store(tmp_path).close()
    assert "no copy of the store of version 1 is kept" in caplog.text
    assert without_indices(dump(path)) == rows


def test_a_copy_goes_after_two_weeks(tmp_path: Path) -> None:
    path = load(1, tmp_path)
    open_store(tmp_path).close()
    copy = copy_of(path, 1)
    open_store(tmp_path).close()
    assert copy.exists()
    old = copy.stat().st_mtime - migrations.KEEP_COPY_SECONDS - 60
    os.utime(copy, (old, old))
    open_store(tmp_path).close()
    assert not copy.exists()


@pytest.mark.slow
def test_the_program_says_why_it_does_not_start_on_a_later_store(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    shutil.copy(tmp_path / FILE_NAME, copy_of(tmp_path / FILE_NAME, SCHEMA_VERSION))
    address = ["--host", "127.0.0.1", "--port", "0"]
    command = [sys.executable, "-m", "tidegauge_aggregator", "--data-dir", str(tmp_path), *address]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert f"version {SCHEMA_VERSION + 1}" in line
    assert "go back: move aggregator.sqlite" in line
