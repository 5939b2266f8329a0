"""What reads an object store, and what stands in for one, in a folder of the cache for PYTHONPATH.

Apart from the tests' own environment: the S3 client needs a python-dateutil below 3.0, the operator's
Kubernetes client one that is not. What both have is not in it.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from support.cache import Tell, built_once, cache_folder
from support.controlplane.unavailable import Unavailable

CONSTRAINTS = Path(__file__).parents[3] / "constraints.txt"
CLIENT = (
    "s3fs",
    "aiobotocore",
    "aioitertools",
    "botocore",
    "jmespath",
    "python-dateutil==2.9.0.post0",
    "wrapt",
)
STAND_IN = (
    "moto==5.2.5",
    "boto3==1.43.117",
    "py-partiql-parser==0.6.3",
    "responses==0.26.3",
    "s3transfer==0.19.3",
    "xmltodict==1.0.4",
)
PACKAGES = (*CLIENT, "six==1.17.0", *STAND_IN)


def packages(tell: Tell) -> Path:
    """The folder, filled if need be.

    Raises
    ------
    Unavailable
        The packages cannot be had.
    """
    wanted = "\n".join([sys.version, *PACKAGES, CONSTRAINTS.read_text()])
    folder = cache_folder() / f"s3-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    return built_once("s3", folder, _install, tell)


def _install(folder: Path) -> None:
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    how = ("--no-deps", "--no-compile", "--constraint", str(CONSTRAINTS), "--target", str(folder))
    done = subprocess.run([*pip, *how, *PACKAGES], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"the S3 client cannot be installed: {done.stderr.strip()[-300:]}")
