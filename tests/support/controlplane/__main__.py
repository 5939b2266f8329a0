"""`python -m support.controlplane build` makes the programs; `run` starts a cluster until Ctrl-C."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from support.controlplane.assets import find_assets
from support.controlplane.build import Tell
from support.controlplane.cluster import OwnCluster
from support.controlplane.unavailable import Unavailable


def progress() -> Tell:
    """Tell on standard error: one line that is written over on a terminal, else a line every 15 s."""
    last = -15.0

    def tell(text: str) -> None:
        nonlocal last
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif (now := time.monotonic()) - last >= 15 or not text.startswith(("compiling", "fetching")):
            last = now
            print(text, file=sys.stderr, flush=True)

    return tell


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m support.controlplane", description=__doc__)
    parser.add_argument("command", choices=["build", "run"])
    arguments = parser.parse_args()
    try:
        assets = find_assets(progress())
    except Unavailable as reason:
        print(f"not possible here: {reason}", file=sys.stderr)
        return 1
    if arguments.command == "build":
        print(assets.folder)
        return 0
    return _run(OwnCluster(assets, Path(tempfile.mkdtemp(prefix="tidegauge-cluster-")), controllers=True))


def _run(cluster: OwnCluster) -> int:
    try:
        print(
            f"export KUBECONFIG={cluster.kubeconfig()} PATH=$PATH:{cluster.kubectl_program.parent}",
            flush=True,
        )
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except KeyboardInterrupt:
        pass
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
