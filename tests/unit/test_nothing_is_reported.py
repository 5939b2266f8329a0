"""Loading models sends nothing and leaves nothing behind."""

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("module", ["tidegauge_serving.models.onnx", "tidegauge.pack.onnx_format"])
def test_loading_onnxruntime_leaves_no_name_of_the_device(tmp_path, module):
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    home.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", f"import {module}"], env=home, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
