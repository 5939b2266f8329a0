"""Settings: flags of the program, each also an environment variable (`docs/settings.md`); a flag wins."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegauge.protocol.names import AGGREGATOR_PORT, Env

__all__ = ["Settings", "parse_settings"]

RETENTION_SECONDS: Final = 720 * 3600
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The program's settings.

    Parameters
    ----------
    data_dir
        Folder of the store.
    host, port
        Where it listens; port 0 takes a free one.
    token_file
        File with the bearer token of the write path, or None: writes are open.
    config
        JSON file with policies and expected pods by model, or None.
    shard, shards
        Which share of the features this replica holds, and of how many.
    retention_seconds
        How long counts and history are kept, and how late a pane may come.
    log_level
        Least severe messages that are logged.
    stack
        Id of the local stack that this program belongs to; empty in a cluster.
    """

    data_dir: Path
    host: str = "0.0.0.0"
    port: int = AGGREGATOR_PORT
    token_file: Path | None = None
    config: Path | None = None
    shard: int = 0
    shards: int = 1
    retention_seconds: int = RETENTION_SECONDS
    log_level: str = "info"
    stack: str = ""


def parse_settings(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Read flags and environment; prints usage and exits with status 2 when they break a rule."""
    parser = argparse.ArgumentParser(
        prog="tidegauge-aggregator",
        description="Merge the panes of all pods into one exact result per feature.",
    )
    default = _from_environment(environment)
    parser.add_argument("--data-dir", type=Path, **default(Env.DATA_DIR), help="folder of the store")
    parser.add_argument("--host", **default(Env.HOST, "0.0.0.0"), help="address to listen on")
    parser.add_argument(
        "--port", type=_port, **default(Env.PORT, AGGREGATOR_PORT), help="port; 0 takes a free one"
    )
    parser.add_argument(
        "--token-file", type=Path, **default(Env.TOKEN_FILE, None), help="bearer token of writes"
    )
    parser.add_argument(
        "--config", type=Path, **default(Env.CONFIG, None), help="JSON file: policies by model"
    )
    parser.add_argument(
        "--shard", type=_shard, **default(Env.SHARD, "0/1"), help="share of the features, as in 0/2"
    )
    parser.add_argument(
        "--retention-seconds",
        type=_retention,
        **default(Env.RETENTION_SECONDS, RETENTION_SECONDS),
        help="how long counts are kept",
    )
    parser.add_argument(
        "--log-level", choices=LOG_LEVELS, **default(Env.LOG_LEVEL, "info"), help="least severe message"
    )
    parser.add_argument("--stack", **default(Env.STACK, ""), help="id of the local stack it belongs to")
    given = vars(parser.parse_args(arguments))
    given["shard"], given["shards"] = given["shard"]
    return Settings(**given)


def _from_environment(environment: Mapping[str, str]):  # type: ignore[no-untyped-def]
    """A function that gives the keyword arguments `default` and `required` of one flag."""
    missing = object()

    def default(variable: Env, otherwise: object = missing) -> dict[str, object]:
        value = environment.get(variable) or otherwise
        return {"required": True} if value is missing else {"default": value}

    return default


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 1 << 16:
        raise argparse.ArgumentTypeError(f"port {port}: it must be 0 to 65535")
    return port


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
    if not match or not int(match[1]) < int(match[2]) <= 1024:
        raise argparse.ArgumentTypeError(
            f"shard {text!r}: it must be INDEX/OF with INDEX below OF, as in 0/2"
        )
    return int(match[1]), int(match[2])


def _retention(text: str) -> int:
    seconds = int(text)
    if seconds < 3600:
        raise argparse.ArgumentTypeError(f"retention of {seconds} s: it must be at least an hour, 3600")
    return seconds
