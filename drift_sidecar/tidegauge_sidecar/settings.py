"""The program's settings: flags, each with an environment variable behind it (`docs/settings.md`)."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tidegauge.protocol.names import PANE_SECONDS, SIDECAR_PORT, Env

__all__ = ["Settings", "read_settings"]

_MODEL: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The program's settings.

    Parameters
    ----------
    log_dir
        The tap's log folder.
    profile
        Path of the profile's document.
    model
        The model's name, as the aggregator knows it.
    pod
        This pod's name, for people.
    aggregator_urls
        One aggregator per shard, in shard order.
    token_file
        File with the bearer token for the aggregators.
    pane_seconds
        Length of a pane in seconds.
    host, port
        Where `/metrics` and `/healthz` listen; port 0 takes a free one.
    log_level
        Lowest level that is logged.
    stack
        Id of the local stack that this program belongs to; empty in a cluster.
    """

    log_dir: Path
    profile: Path
    model: str
    pod: str
    aggregator_urls: tuple[str, ...]
    token_file: Path | None
    pane_seconds: int
    host: str
    port: int
    log_level: str
    stack: str = ""


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from the command line, else from the environment; exits with a message when one is wrong."""
    parser = argparse.ArgumentParser(
        prog="tidegauge-sidecar",
        description="Count the rows of a model server's log and send panes to the aggregator.",
    )
    option = _Options(parser, environment)
    option("--log-dir", Env.LOG_DIR, "folder of the tap's log", kind=Path)
    option("--profile", Env.PROFILE, "path of profile.json", kind=Path)
    option("--model", Env.MODEL, "name of the model", kind=_model)
    option("--aggregator-urls", Env.AGGREGATOR_URLS, "aggregators, one per shard, by commas", kind=_urls)
    option("--pod", Env.POD, "name of this pod", kind=_pod, default="")
    option("--token-file", Env.TOKEN_FILE, "file with the aggregator's bearer token", kind=_path, default="")
    option(
        "--pane-seconds", Env.PANE_SECONDS, "length of a pane", kind=_pane_seconds, default=str(PANE_SECONDS)
    )
    option("--host", Env.HOST, "address of /metrics and /healthz", default="0.0.0.0")
    option("--port", Env.PORT, "their port, 0 for a free one", kind=_port, default=str(SIDECAR_PORT))
    option("--log-level", Env.LOG_LEVEL, "debug, info, warning or error", kind=_level, default="info")
    option("--stack", Env.STACK, "id of the local stack it belongs to", default="")
    return Settings(**vars(parser.parse_args(arguments)))


class _Options:
    """Adds flags whose default comes from the environment."""

    def __init__(self, parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
        self._parser = parser
        self._environment = environment

    def __call__(
        self, flag: str, variable: Env, text: str, *, kind: Any = str, default: str | None = None
    ) -> None:
        value = self._environment.get(variable) or default  # a string default goes through `kind` as well
        self._parser.add_argument(
            flag, type=kind, default=value, required=value is None, help=f"{text} ({variable})"
        )


def _model(text: str) -> str:
    if not _MODEL.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: a model's name must be a lower-case DNS name")
    return text


def _pod(text: str) -> str:
    if len(text) > 253 or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r}: a pod's name must have at most 253 printable characters")
    return text


def _urls(text: str) -> tuple[str, ...]:
    urls = tuple(url.strip() for url in text.split(",") if url.strip())
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise argparse.ArgumentTypeError(
                f"{url!r}: an aggregator's address must open with http:// or https://"
            )
    if not urls:
        raise argparse.ArgumentTypeError("no aggregator: name at least one address")
    return urls


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _pane_seconds(text: str) -> int:
    return _between(text, 1, 86_400)


def _port(text: str) -> int:
    return _between(text, 0, 65_535)


def _between(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: it must be a whole number from {least} to {most}")
    return int(text)


def _level(text: str) -> str:
    if text.lower() not in ("debug", "info", "warning", "error"):
        raise argparse.ArgumentTypeError(f"{text!r}: it must be debug, info, warning or error")
    return text.upper()
