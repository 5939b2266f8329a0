"""The storage initializer and an object store that checks keys: they come by the environment alone.

The client is s3fs, the store is moto, which checks signatures as AWS does.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from support.controlplane.progress import progress
from support.controlplane.unavailable import Unavailable
from support.s3.packages import packages
from support.serving_bundles import house_bundle
from support.tiers import in_sight

from tidegauge.protocol.names import Exit
from tidegauge.resource import load

TESTS = Path(__file__).parents[1]
PLACE = "s3://models/house-prices/3"


@pytest.fixture(scope="module")
def client(pytestconfig: pytest.Config) -> dict[str, str]:
    """The environment of a process that has the S3 client, and no key."""
    try:
        with in_sight(pytestconfig):
            folder = packages(progress())
    except Unavailable as reason:
        pytest.skip(str(reason))
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FSSPEC_"))}
    # No file of the user's own, and no metadata service of a cloud that this machine may be in.
    away = {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
    return bare | away | {"PYTHONPATH": os.pathsep.join((str(folder), str(TESTS)))}


@pytest.fixture(scope="module")
def keys(client: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a Secret would hold, to read a store with the bundle in it."""
    folder = tmp_path_factory.mktemp("bucket")
    house_bundle(folder / "house-prices" / "3")
    command = [sys.executable, "-m", "support.s3", "models", str(folder)]
    with subprocess.Popen(
        command, env=dict(client), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as store:
        assert store.stdout is not None
        line = store.stdout.readline()
        assert line, "the store did not come up"
        yield json.loads(line)


def fetched(environment: Mapping[str, str], to: Path) -> "subprocess.CompletedProcess[str]":
    """Run the initializer as a pod does."""
    command = [sys.executable, "-m", "tidegauge_serving.storage", PLACE, str(to)]
    return subprocess.run(command, env=dict(environment), capture_output=True, text=True, timeout=120)


def test_a_bundle_is_read_with_the_keys_in_the_environment(
    client: Mapping[str, str], keys: Mapping[str, str], tmp_path: Path
) -> None:
    done = fetched({**client, **keys}, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", "model.onnx", "profile.json"}


def test_the_documented_secret_has_the_keys_that_read_a_store_of_ones_own(keys: Mapping[str, str]) -> None:
    page = (TESTS.parent / "docs/storage.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    secret, document = yaml.safe_load_all(example)
    assert secret["stringData"].keys() == keys.keys()
    model = load(yaml.safe_dump(document)).spec.model
    assert model.storage_secret_name == secret["metadata"]["name"]
    assert model.storage_uri.startswith("s3://")


def test_fsspecs_own_variables_reach_the_object_store(
    client: Mapping[str, str], keys: Mapping[str, str], tmp_path: Path
) -> None:
    own = {
        "FSSPEC_S3_ENDPOINT_URL": keys["AWS_ENDPOINT_URL"],
        "FSSPEC_S3_KEY": keys["AWS_ACCESS_KEY_ID"],
        "FSSPEC_S3_SECRET": keys["AWS_SECRET_ACCESS_KEY"],
    }
    done = fetched({**client, **own}, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "wrong",
    [{"AWS_SECRET_ACCESS_KEY": "another"}, {"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, {"AWS_ACCESS_KEY_ID": ""}],
    ids=["secret", "key", "none"],
)
def test_keys_that_are_not_the_stores_are_said_in_one_line(
    client: Mapping[str, str], keys: Mapping[str, str], wrong: Mapping[str, str], tmp_path: Path
) -> None:
    given = {**client, **keys, **wrong}
    done = fetched({name: value for name, value in given.items() if value}, tmp_path)
    assert done.returncode == Exit.STORAGE
    last = done.stderr.strip().splitlines()[-1]
    assert f"manifest.json of {PLACE} cannot be read" in last
    assert keys["AWS_SECRET_ACCESS_KEY"] not in done.stderr
