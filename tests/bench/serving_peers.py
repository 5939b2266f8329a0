"""Other model servers, each in an environment of its own, with the same scikit-learn model.

They run as a user would make them fast: one worker, no gRPC beside it, no line in a log for each request.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from bench.serving_load import free_port
from bench.serving_setup import MODEL_NAME, Server, process

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".cache" / "bench"
KSERVE, MLSERVER = "KServe 0.21.0", "MLServer 1.7.1"
REQUIREMENTS = {
    KSERVE: ("kserve==0.21.0",),
    MLSERVER: ("mlserver==1.7.1", "mlserver-sklearn==1.7.1"),
}
MODEL_LIBRARIES = ("scikit-learn", "joblib")  # in our versions: the same file is loaded everywhere


def installed_peers() -> list[str]:
    """The peers that are there or could be installed: without a registry the rest is measured."""
    found = []
    for peer in REQUIREMENTS:
        try:
            install(peer)
            found.append(peer)
        except subprocess.CalledProcessError as error:
            print(f"{peer} cannot be installed and is not measured: {error}", file=sys.stderr)
    return found


def install(peer: str) -> Path:
    """Make a peer's environment under ``.cache`` from the package registry, once; its ``bin`` folder."""
    folder = ENVIRONMENTS / peer.replace(" ", "-").lower()
    whole = folder / "whole"
    wanted = [*REQUIREMENTS[peer], *(f"{name}=={version(name)}" for name in MODEL_LIBRARIES)]
    if not whole.exists() or whole.read_text() != "\n".join(wanted):
        print(f"installing {peer} into {folder}; this takes minutes, once", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True)
        whole.write_text("\n".join(wanted))
    return folder / "bin"


@contextmanager
def peer_server(peer: str, model: Path) -> Iterator[Server]:
    """Run a peer with a joblib file until it is ready."""
    run = _kserve if peer == KSERVE else _mlserver
    with run(install(peer), model) as server:
        yield server


@contextmanager
def _kserve(programs: Path, model: Path) -> Iterator[Server]:
    port = free_port()
    command = [str(programs / "python"), str(HERE / "peer_kserve.py"), "--http_port", str(port)]
    command += ["--model_name", MODEL_NAME, "--enable_grpc", "false"]
    command += ["--enable_latency_logging", "false", "--configure_logging", "false"]
    ready = f"/v2/models/{MODEL_NAME}/ready"
    with process(command, port, ready, model.parent / "kserve.log", {"MODEL": str(model)}) as server:
        yield server


@contextmanager
def _mlserver(programs: Path, model: Path) -> Iterator[Server]:
    folder = model.parent / "mlserver"
    folder.mkdir()
    port = free_port()
    settings = {"debug": False, "host": "127.0.0.1", "http_port": port, "parallel_workers": 0}
    settings |= {"grpc_port": free_port(), "metrics_port": free_port()}
    described = {"name": MODEL_NAME, "implementation": "mlserver_sklearn.SKLearnModel"}
    described |= {"parameters": {"uri": str(model)}}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(described))
    path = os.pathsep.join((str(programs), os.environ["PATH"]))
    command = [str(programs / "mlserver"), "start", str(folder)]
    ready = f"/v2/models/{MODEL_NAME}/ready"
    with process(command, port, ready, model.parent / "mlserver.log", {"PATH": path}) as server:
        yield server
