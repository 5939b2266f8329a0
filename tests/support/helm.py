"""Helm: the machine's own, or built once from `tests/helm` into the cache."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml
from support.controlplane.build import kubernetes_version
from support.go_program import GoProgram

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/tidegauge"
# Helm checks a chart's kubeVersion against the version it was built for, where it asks no cluster.
_MAJOR, _MINOR, _ = kubernetes_version()
_STAMPS = [
    f"-X helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={number}"
    for package in ("chartutil", "lint/rules")
    for part, number in (("Major", _MAJOR), ("Minor", _MINOR))
]
HELM = GoProgram(
    name="helm",
    module="helm",
    package="helm.sh/helm/v3/cmd/helm",
    minutes=4,
    flags=("-ldflags", " ".join(["-s -w", *_STAMPS])),
)


class HelmFailed(Exception):
    """Helm said no, in these words."""


def older_chart(folder: Path) -> Path:
    """The chart as if it were of a version before this one: there has been no release yet.

    Its definition has one column under another name.
    """
    older = folder / "tidegauge"
    shutil.copytree(CHART, older)
    chart = yaml.safe_load((older / "Chart.yaml").read_text())
    (older / "Chart.yaml").write_text(yaml.safe_dump(chart | {"version": "0.0.9", "appVersion": "0.0.9"}))
    template = older / "templates/crds.yaml"
    text = template.read_text()
    assert "  - name: Coverage\n" in text
    template.write_text(text.replace("  - name: Coverage\n", "  - name: Seen\n"))
    return older


class Helm:
    """Helm with a home of its own, so that a person's repositories and settings play no part.

    Parameters
    ----------
    program
        The executable.
    home
        A folder for its caches.
    kubeconfig
        The cluster; None where none is asked.
    """

    def __init__(self, program: Path, home: Path, kubeconfig: Path | None = None) -> None:
        self.program = program
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HELM_")},
            "HELM_CACHE_HOME": str(home / "cache"),
            "HELM_CONFIG_HOME": str(home / "config"),
            "HELM_DATA_HOME": str(home / "data"),
            "KUBECONFIG": str(kubeconfig or os.devnull),
        }

    def __call__(self, *arguments: str, timeout_seconds: float = 120) -> str:
        """What it prints.

        Raises
        ------
        HelmFailed
            It ended with another code than 0; with all that it printed.
        """
        ran = subprocess.run(
            [self.program, *arguments],
            env=self._environment,
            text=True,
            capture_output=True,
            timeout=timeout_seconds,
            check=False,
        )
        if ran.returncode:
            raise HelmFailed(ran.stdout + ran.stderr)
        return ran.stdout

    def template(self, *arguments: str, chart: Path = CHART, release: str = "tidegauge") -> list[Any]:
        """The objects that a release would have, in Helm's order."""
        text = self("template", release, str(chart), "--namespace", "tidegauge-system", *arguments)
        return [document for document in yaml.safe_load_all(text) if document]
