"""What the tiers tell the table at the end of a run."""

import pytest

TIERS = {  # from the fastest to the one that asks most of the machine
    "unit": "no process",
    "operator": "objects and status, no process",
    "stack": "local programs",
    "chart": "helm, no cluster",
    "apiserver": "etcd, API server, controllers",
    "node": "kubelet, real pods",
    "monitoring": "Prometheus, Alertmanager",
    "browser": "the page",
}
NOT_RUN = pytest.StashKey[dict[str, str]]()  # tier -> why this machine cannot run it
KEPT = pytest.StashKey[list[str]]()  # folders of logs that a failed run leaves
