"""The four programs as processes, each with the least that it needs to read its settings, or to start."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tidegauge_aggregator.settings
import tidegauge_operator.settings
import tidegauge_serving.settings
import tidegauge_sidecar.settings
import yaml

from tidegauge import Profile

TABLES: dict[str, Any] = {
    "serving": tidegauge_serving.settings.Settings,
    "sidecar": tidegauge_sidecar.settings.Settings,
    "aggregator": tidegauge_aggregator.settings.Settings,
    "operator": tidegauge_operator.settings.Settings,
}
PROGRAMS = list(TABLES)


@dataclass(frozen=True)
class Four:
    """The programs over one folder.

    Parameters
    ----------
    folder
        Where their files are.
    """

    folder: Path

    def needed(self, program: str) -> list[str]:
        """Flags that a program cannot do without."""
        folder = self.folder
        return {
            "serving": ["--bundle", f"{folder}/no-bundle"],
            "sidecar": [
                *("--log-dir", f"{folder}/log", "--profile", f"{folder}/profile.json"),
                *("--model", "m", "--aggregator-urls", "http://127.0.0.1:9"),
            ],
            "aggregator": ["--data-dir", f"{folder}/data"],
            "operator": ["--kubeconfig", f"{folder}/kubeconfig"],
        }[program]

    def command(self, program: str, *flags: str) -> list[str]:
        """Its command line."""
        return [sys.executable, "-m", f"tidegauge_{program}", *self.needed(program), *flags]

    def ended(
        self, program: str, *flags: str, variables: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run it until it ends by itself."""
        return subprocess.run(
            self.command(program, *flags),
            env=clean_environment(variables or {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @contextmanager
    def running(self, program: str, *flags: str) -> Iterator["Running"]:
        """Start it on a free port; killed on leaving if it has not ended."""
        command = self.command(program, "--host", "127.0.0.1", "--port", "0", *flags)
        log = self.folder / f"{program}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                command, env=clean_environment({}), stdout=subprocess.PIPE, stderr=out, text=True
            )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            yield Running(process, json.loads(line), log)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@dataclass(frozen=True)
class Running:
    """A program that runs: what it printed first, and its log."""

    process: "subprocess.Popen[str]"
    printed: dict[str, Any]
    log: Path

    def lines(self) -> list[str]:
        """Its log so far."""
        return self.log.read_text().splitlines()


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment without Tidegauge's variables, then these."""
    return {k: v for k, v in os.environ.items() if not k.startswith("TIDEGAUGE_")} | dict(variables)


def four_programs(folder: Path) -> Four:
    """Write the files that they read: a profile, and the kubeconfig of a cluster that does not answer."""
    Profile.fit({"x": [float(value) for value in range(100)]}).save(folder / "profile.json")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "none",
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
        "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "none", "user": {"token": "none"}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    return Four(folder)
