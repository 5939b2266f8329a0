"""Settings of the server; `docs/settings.md` describes each."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tidegauge.kit import kinds
from tidegauge.kit.command_line import read_settings
from tidegauge.kit.settings import StackSettings, port_setting, setting, table
from tidegauge.protocol.names import SERVING_PORT, Env

__all__ = ["PROGRAM", "Settings", "parse_settings"]

PROGRAM: Final = "tidegauge-serving"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/,?#@]+")


def _types(given: str) -> frozenset[str]:
    return frozenset(kinds.names(given))


def _origins(given: str) -> frozenset[str]:
    origins = kinds.names(given)
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin}: it must be scheme, host and port of an origin as https://shop.example:8443, or *"
            )
    return frozenset(origins)


_share = kinds.number("a number from 0 to 1", lambda share: 0 <= share <= 1)
_at_least_0 = kinds.number("a number of at least 0", lambda value: value >= 0)
_any_seconds = kinds.seconds("a number of at least 0", lambda seconds: seconds >= 0)
_up_to_10_seconds = kinds.seconds("a number from 0 to 10", lambda seconds: 0 <= seconds <= 10)


@table
class Settings(StackSettings):
    """How one server runs."""

    bundle: Path = setting(Env.BUNDLE, kinds.path, "folder of the bundle", unit="path")
    model: str = setting(
        Env.MODEL,
        kinds.text,
        "the model's name in URLs, the bundle's own if not set",
        unit="name",
        default="",
    )
    port: int = port_setting(default=str(SERVING_PORT))
    fd: int = setting(
        "--fd",
        kinds.whole(-1),
        "inherited listening socket to serve too, shared with other replicas; -1 for none",
        unit="number",
        default="-1",
    )
    log_dir: Path | None = setting(
        Env.LOG_DIR, kinds.path, "folder of the capture log; no log if not set", unit="path", default=""
    )
    log_bytes: int = setting(
        Env.LOG_BYTES, kinds.whole(4096), "most bytes in that folder", unit="bytes", default=str(64 << 20)
    )
    sample_rate: float = setting(
        Env.SAMPLE_RATE, _share, "share of rows that go into the log", unit="share", default="1"
    )
    row_score_threshold: float = setting(
        Env.ROW_SCORE_THRESHOLD, _at_least_0, "drift scores above it are high", unit="score", default="2"
    )
    allow_pickle: bool = setting(
        Env.ALLOW_PICKLE, kinds.truth, "load joblib bundles, which can run any code", default="false"
    )
    trusted_types: frozenset[str] = setting(
        Env.TRUSTED_TYPES, _types, "types that a skops file may hold, by commas", unit="names", default=""
    )
    batch_rows: int = setting(
        Env.BATCH_ROWS, kinds.whole(1), "most rows of a micro-batch", unit="rows", default="64"
    )
    batch_wait_seconds: float = setting(
        Env.BATCH_WAIT_SECONDS, _up_to_10_seconds, "longest wait for a batch", unit="duration", default="0s"
    )
    max_body_bytes: int = setting(
        Env.MAX_BODY_BYTES, kinds.whole(1), "longest request body", unit="bytes", default=str(16 << 20)
    )
    cors_origins: frozenset[str] = setting(
        Env.CORS_ORIGINS,
        _origins,
        "origins whose pages may ask from a browser, by commas; * is any",
        unit="origins",
        default="",
    )
    request_log: bool = setting(
        Env.REQUEST_LOG, kinds.truth, "one JSON line per request on stderr", default="false"
    )
    drain_seconds: float = setting(
        Env.DRAIN_SECONDS,
        _any_seconds,
        "how long it answers, not ready, after SIGTERM",
        unit="duration",
        default="2s",
    )
    exit_on_error: bool = setting(
        Env.EXIT_ON_ERROR, kinds.truth, "end when the bundle cannot be loaded", default="false"
    )


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read flags and environment; end with a line for each mistake."""
    about = "Serve one model and log every answered row."
    return read_settings(Settings, PROGRAM, about, arguments, environment)
