"""The example writer of `docs/capture-log.md` writes what the library reads."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from support.serving_app import read_log

from tidegauge.protocol.capture_log import MAX_PAYLOAD_BYTES, SEGMENT_BYTES, SEQUENCE

PAGE = Path(__file__).parents[2] / "docs/capture-log.md"
HASH = "0123456789abcdef" * 4


def test_the_example_writer_writes_a_log_that_can_be_read(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    subprocess.run([sys.executable, "-I", "-c", code, str(tmp_path), HASH], check=True, timeout=60)
    writer = next(tmp_path.glob("*.seq")).stem
    header, frames, damaged = read_log(tmp_path, writer)
    assert (header.columns, header.value_bytes, header.profile_hash) == (3, 8, HASH)
    assert damaged == 0
    assert [(frame.first_sequence, frame.rows) for frame in frames] == [(0, 1), (1, 2), (3, 3)]
    last = np.frombuffer(frames[-1].payload, "<f8").reshape(3, 3)
    np.testing.assert_array_equal(last, [[2.0, 2.5, np.nan]] * 3)
    assert SEQUENCE.unpack((tmp_path / f"{writer}.seq").read_bytes()) == (6,)


def test_the_page_states_the_library_s_own_limits() -> None:
    text = " ".join(PAGE.read_text().split())
    assert SEGMENT_BYTES == 1 << 20
    assert "has 1 MiB or more" in text
    assert MAX_PAYLOAD_BYTES == 64 << 20
    assert "at most 64 MiB" in text
