"""The public names, and that a program that only counts loads only what it needs."""

import subprocess
import sys
from importlib import import_module

import pytest

import tidegauge


def loaded_after(code: str) -> set[str]:
    """Top-level modules that a new Python has loaded after `code`."""
    program = f"{code}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stdout.split())


COUNT = """
import numpy as np, tidegauge
profile = tidegauge.Profile.fit({"a": np.arange(9.0), "b": list("xyzxyzxyz")})
profile = tidegauge.Profile.from_bytes(profile.to_bytes())
counts = profile.count([{"a": 1.0, "b": "x"}]) + profile.count_matrix(np.zeros((2, 2)))
counts = tidegauge.Counts.from_bytes(counts.to_bytes(), profile)
assert counts.ks("a").statistic > 0
"""


@pytest.mark.slow
def test_counting_never_imports_scipy_or_a_frame_library() -> None:
    assert not loaded_after(COUNT) & {"scipy", "pandas", "polars", "pyarrow"}
    assert "scipy" in loaded_after(f"{COUNT}\ncounts.ks('a').pvalue"), "else this test proves nothing"


def test_importing_the_library_imports_no_numpy() -> None:
    assert not loaded_after("import tidegauge; import tidegauge.protocol.names; import tidegauge.errors") & {
        "numpy",
        "scipy",
    }


@pytest.mark.slow
def test_serving_scores_rows_without_scipy() -> None:
    assert "scipy" not in loaded_after("import tidegauge.profile.profile, tidegauge.counting.row_score")


@pytest.mark.parametrize("name", tidegauge.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(tidegauge, name) is not None
    assert name in dir(tidegauge)


def test_the_names_are_those_that_others_use() -> None:
    assert {"Counts", "Monitor", "Policy", "Profile", "ProfileMismatch", "Report", "replay"} <= set(
        tidegauge.__all__
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nope"):
        tidegauge.nope  # noqa: B018


def test_every_error_is_public() -> None:
    assert set(import_module("tidegauge.errors").__all__) <= set(tidegauge.__all__)


def test_no_module_hides_a_public_name() -> None:
    homes = set(tidegauge._HOMES.values())
    assert not homes & set(tidegauge._HOMES), "importing such a module would put it in the place of the name"
