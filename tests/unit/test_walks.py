"""The walks on the page of rooms: a row and a pane are followed, file by file."""

import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from support.aggregator_rig import START, Clock, in_loop, running, small_profile
from support.aggregator_rig import Pod as SendingPod
from support.pod import Pod, some_rows
from support.serving_bundles import HOUSE_ROW, house_bundle
from support.serving_ways import Way

from tidegauge.profile.profile import Profile

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "serving": "serving/tidegauge_serving",
    "sidecar": "drift_sidecar/tidegauge_sidecar",
    "aggregator": "aggregator/tidegauge_aggregator",
    "operator": "operator/tidegauge_operator",
}
OURS = tuple(f"{ROOT / each}/" for each in ("tidegauge", *FOLDERS.values()))


def walk(of: str, *programs: str) -> set[str]:
    """The files that a walk's lines of these programs name."""
    page = (ROOT / "docs/design/rooms.md").read_text()
    (section,) = re.findall(
        rf"^## The files that a {of} passes\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL
    )
    return {
        f"{name}.py" if name.startswith("tidegauge/") else f"{FOLDERS[program]}/{name}.py"
        for program, line in re.findall(r"^\d+\. (\w+): (.*?)(?=^\d|\Z)", section, re.MULTILINE | re.DOTALL)
        if program in programs
        for name in re.findall(r"`([\w/]+)`", line)
    }


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


@pytest.mark.parametrize("of", ["row", "pane", "resource"])
def test_each_file_that_a_walk_names_is_there(of: str) -> None:
    named = walk(of, *FOLDERS)
    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).is_file()]


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
