"""The walks on the page of rooms: a row and a pane are followed, file by file."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from support.aggregator_rig import START, Clock, in_loop, running, small_profile
from support.aggregator_rig import Pod as SendingPod
from support.pod import Pod, some_rows
from support.serving_bundles import HOUSE_ROW, house_bundle
from support.serving_ways import Way
from support.walks import FOLDERS, ROOT, walk

from tidegauge.profile.profile import Profile

OURS = tuple(f"{ROOT / each}/" for each in ("tidegauge", *FOLDERS.values()))


@contextmanager
def passed_files() -> Iterator[set[str]]:
    """The files of ours of which something is run meanwhile, in threads begun meanwhile too."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(OURS):
            found.add(str(Path(name).relative_to(ROOT)))

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(before)
        threading.setprofile(None)  # type: ignore[arg-type]


def test_a_warm_prediction_passes_the_files_of_its_walk(tmp_path: Path) -> None:
    body = json.dumps({"features": HOUSE_ROW}).encode()
    request = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    way = Way(house_bundle(tmp_path / "bundle"), tmp_path / "log", "short")
    wire = way.connect()
    wire.send(request)  # the first one teaches the head
    way.finish(wire)
    with passed_files() as passed:
        wire.send(request)
        way.finish(wire)
    assert bytes(wire.pipe.out).count(b" 200 OK") == 2
    way.close()
    assert passed == walk("row", "serving")
    assert len(passed) == 15


def test_a_row_of_the_log_passes_the_files_of_its_walk(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "log")
    pod.writer().answer(some_rows(5, 0), pod.now_ns)
    with passed_files() as passed:
        pod.close_pane()
    assert walk("row", "sidecar") <= passed
    assert len(walk("row", "sidecar")) == 8


def test_a_pane_passes_the_files_of_its_walk_in_the_sidecar(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "log")
    pod.writer().answer(some_rows(5, 0), pod.now_ns)
    with passed_files() as passed:
        pod.close_pane()
        pod.send()
    only_over_a_network = {"drift_sidecar/tidegauge_sidecar/transport.py"}
    assert walk("pane", "sidecar") - passed == only_over_a_network


@in_loop
async def follow_two_panes(folder: Path, profile: Profile, passed: set[str]) -> None:
    async with running(folder, Clock()) as rig:
        await rig.put_profile(profile)
        pod = SendingPod("a", profile)
        for pane in (START, START + 1):  # the first one also loads the series
            passed.clear()
            await rig.send(pod, pane, np.zeros((100, 2)))
            await rig.evaluate(pane)
            assert (await rig.report())["pane"] == pane


def test_a_pane_passes_the_files_of_its_walk_in_the_aggregator(tmp_path: Path) -> None:
    profile = small_profile()
    with passed_files() as passed:
        follow_two_panes(tmp_path, profile, passed)
    assert not walk("pane", "aggregator") - passed
