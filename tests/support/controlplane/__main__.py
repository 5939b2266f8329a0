"""`python -m support.controlplane build` makes the programs; `run` starts a cluster until Ctrl-C."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from support.controlplane.assets import find_assets
from support.controlplane.cluster import OwnCluster
from support.controlplane.progress import progress
from support.controlplane.unavailable import Unavailable

_ENDINGS = {signal.SIGINT, signal.SIGTERM}


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
        # Blocked only now: the programs would inherit it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
        signal.sigwait(_ENDINGS)
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
