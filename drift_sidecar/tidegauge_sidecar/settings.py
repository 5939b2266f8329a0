"""The program's settings; `docs/settings.md` describes each."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tidegauge.kit import kinds
from tidegauge.kit.command_line import read_settings
from tidegauge.kit.settings import StackSettings, port_setting, setting, table
from tidegauge.protocol.names import PANE_SECONDS, SIDECAR_PORT, Env

__all__ = ["PROGRAM", "Settings", "parse_settings"]

PROGRAM: Final = "tidegauge-sidecar"
_MODEL: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def _model(given: str) -> str:
    if not _MODEL.fullmatch(given):
        raise ValueError("a model's name must be a lower-case DNS name")
    return given


def _pod(given: str) -> str:
    if len(given) > 253 or not given.isprintable():
        raise ValueError("a pod's name must have at most 253 printable characters")
    return given


def _urls(given: str) -> tuple[str, ...]:
    urls = kinds.names(given)
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url}: an aggregator's address must start with http:// or https://")
    if not urls:
        raise ValueError("no aggregator: name at least one address")
    return urls


@table
class Settings(StackSettings):
    """How one sidecar runs."""

    log_dir: Path = setting(Env.LOG_DIR, kinds.path, "folder of the capture log", unit="path")
    profile: Path = setting(Env.PROFILE, kinds.path, "path of profile.json", unit="path")
    model: str = setting(Env.MODEL, _model, "name of the model at the aggregator", unit="name")
    aggregator_urls: tuple[str, ...] = setting(
        Env.AGGREGATOR_URLS, _urls, "aggregators by commas, one per shard, in shard order", unit="urls"
    )
    pod: str = setting(Env.POD, _pod, "name of this pod, for people", unit="name", default="")
    token_file: Path | None = setting(
        Env.TOKEN_FILE, kinds.path, "file with the aggregators' bearer token", unit="path", default=""
    )
    pane_seconds: int = setting(
        Env.PANE_SECONDS,
        kinds.whole_seconds(1, 86_400),
        "length of a pane",
        unit="duration",
        default=f"{PANE_SECONDS}s",
    )
    port: int = port_setting(default=str(SIDECAR_PORT))


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read flags and environment; end with a line for each mistake."""
    about = "Count the rows of a model server's log and send panes to the aggregator."
    return read_settings(Settings, PROGRAM, about, arguments, environment)
