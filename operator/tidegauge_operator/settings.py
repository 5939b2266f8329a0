"""Settings of the operator: flags of the program, each also an environment variable; a flag wins."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegauge.__about__ import __version__
from tidegauge.protocol.names import Env
from tidegauge_operator.children.facts import Images

__all__ = ["Settings", "parse_settings"]

PORT: Final = 8082
REPORT_SECONDS: Final = 15.0
IDENTITY: Final = "tidegauge-operator"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The program's settings.

    Parameters
    ----------
    images
        Images of the programs that it starts.
    namespaces
        Namespaces that it serves; empty for all.
    kubeconfig
        How the cluster is reached; None inside a pod of it.
    host, port
        Where it shows ``/healthz``, ``/readyz`` and ``/metrics``; port 0 takes a free one.
    report_seconds
        How often it asks the aggregators.
    docs_url
        Where the documentation can be read, for links in alerts; empty where nobody said.
    identity
        Its pod's name, for Events.
    log_level
        Least severe messages that are logged.
    """

    images: Images
    namespaces: tuple[str, ...] = ()
    kubeconfig: Path | None = None
    host: str = "127.0.0.1"
    port: int = PORT
    report_seconds: float = REPORT_SECONDS
    docs_url: str = ""
    identity: str = IDENTITY
    log_level: str = "info"


def parse_settings(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Read flags and environment; prints usage and exits with status 2 when they break a rule."""
    parser = argparse.ArgumentParser(
        prog="tidegauge-operator", description="Keep every DriftMonitoredModel as its spec says."
    )

    def flag(variable: Env, default: object, about: str, kind: Callable[[str], object] = str) -> None:
        name = variable.removeprefix("TIDEGAUGE_").lower().replace("_", "-")
        value = environment.get(variable) or default
        parser.add_argument(f"--{name}", type=kind, default=value, help=about)

    images = Env.SERVING_IMAGE, Env.SIDECAR_IMAGE, Env.AGGREGATOR_IMAGE
    for variable, program in zip(images, ("serving", "drift-sidecar", "aggregator"), strict=True):
        flag(variable, f"localhost/tidegauge/{program}:{__version__}", f"image of the {program} program")
    flag(Env.PULL_SECRETS, "", "Secrets of the models' namespaces that images are pulled with, by commas")
    flag(Env.NAMESPACES, "", "namespaces to serve, with commas between; all where none is named")
    flag(Env.KUBECONFIG, None, "kubeconfig file; inside a pod of the cluster none is needed", Path)
    flag(Env.HOST, "127.0.0.1", "address of its own pages")
    flag(Env.PORT, PORT, "port of its own pages; 0 takes a free one", _port)
    flag(Env.REPORT_SECONDS, REPORT_SECONDS, "how often the aggregators are asked", _seconds)
    flag(Env.DOCS_URL, "", "where docs/ can be read, for the links of alerts to their pages")
    flag(Env.POD, IDENTITY, "name of its pod, for Events")
    flag(Env.LOG_LEVEL, "info", "least severe message: debug, info, warning or error", _level)
    given = parser.parse_args(arguments)
    return Settings(
        images=Images(
            serving=given.serving_image,
            sidecar=given.sidecar_image,
            aggregator=given.aggregator_image,
            pull_secrets=_names(given.pull_secrets),
        ),
        namespaces=_names(given.namespaces),
        kubeconfig=given.kubeconfig,
        host=given.host,
        port=given.port,
        report_seconds=given.report_seconds,
        docs_url=given.docs_url,
        identity=given.pod,
        log_level=given.log_level,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r}: it must be a whole number from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: it must be a number of seconds above 0")
    return seconds


def _level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise argparse.ArgumentTypeError(f"{text!r}: it must be debug, info, warning or error")
    return text.lower()
