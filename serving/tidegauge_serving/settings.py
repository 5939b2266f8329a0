"""Settings of the server, from flags and environment; `docs/serving.md` describes each."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegauge.protocol.names import SERVING_PORT, Env

__all__ = ["Settings", "parse_settings"]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/,?#@]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one server runs.

    Parameters
    ----------
    bundle
        Folder of the bundle.
    model
        The model's name in URLs; the bundle's own where empty.
    host, port
        Where to listen; port 0 takes a free one.
    fd
        An inherited listening socket to serve too, shared with other replicas; -1 for none.
    log_dir
        Folder of the tap's log; None: nothing is logged.
    log_bytes
        Largest size of it, in bytes.
    sample_rate
        Share of rows that go into the log, 0 to 1.
    row_score_threshold
        Drift scores above it count as high.
    allow_pickle
        Whether a joblib bundle may be loaded.
    trusted_types
        Types a skops bundle may hold beyond skops' own defaults.
    batch_rows, batch_wait_seconds
        Micro-batching of models that are slow per call.
    max_body_bytes
        Longer requests are refused.
    cors_origins
        Origins whose pages may ask from a browser; ``*`` is any, none is the default.
    request_log
        Whether each request leaves a JSON line on stderr.
    drain_seconds
        How long SIGTERM waits, not ready, before it stops accepting.
    exit_on_error
        Whether to end when the bundle cannot be loaded, instead of staying up to say so.
    log_level
        Of the program's own log.
    stack
        Id of the local stack that this server belongs to; empty in a cluster.
    """

    bundle: Path
    model: str = ""
    host: str = "0.0.0.0"
    port: int = SERVING_PORT
    fd: int = -1
    log_dir: Path | None = None
    log_bytes: int = 64 << 20
    sample_rate: float = 1.0
    row_score_threshold: float = 2.0
    allow_pickle: bool = False
    trusted_types: frozenset[str] = frozenset()
    batch_rows: int = 64
    batch_wait_seconds: float = 0.0
    max_body_bytes: int = 16 << 20
    cors_origins: frozenset[str] = frozenset()
    request_log: bool = False
    drain_seconds: float = 2.0
    exit_on_error: bool = False
    log_level: str = "info"
    stack: str = ""


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from flags, else environment, else defaults; exits with a usage message on a wrong one."""
    parser = _parser(environment)
    found = vars(parser.parse_args(arguments))
    if not found["bundle"]:
        parser.error(f"the bundle's folder is needed: --bundle or {Env.BUNDLE}")
    found["bundle"] = Path(found["bundle"])
    found["log_dir"] = Path(found["log_dir"]) if found["log_dir"] else None
    return Settings(**found)


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tidegauge-serving",
        description="Serve one model and log every answered row. Each flag is also an environment variable.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )

    def add(flag: str, env: Env, default: object, kind: Callable[[str], object], text: str) -> None:
        parser.add_argument(
            flag,
            type=kind,
            default=environment.get(env) or default,
            help=f"{text} [{env}]",
        )

    add("--bundle", Env.BUNDLE, "", str, "folder of the bundle")
    add("--model", Env.MODEL, "", str, "the model's name in URLs, the bundle's own if empty")
    add("--host", Env.HOST, "0.0.0.0", str, "address to listen on")
    add("--port", Env.PORT, str(SERVING_PORT), _whole(0, 65_535), "port, 0 for a free one")
    add("--log-dir", Env.LOG_DIR, "", str, "folder of the tap's log, no log if empty")
    add("--log-bytes", Env.LOG_BYTES, str(64 << 20), _whole(4096), "most bytes in the log folder")
    add("--sample-rate", Env.SAMPLE_RATE, "1", _number(0, 1), "share of rows that go into the log")
    add("--row-score-threshold", Env.ROW_SCORE_THRESHOLD, "2", _number(0), "drift scores above it are high")
    add("--trusted-types", Env.TRUSTED_TYPES, "", _names, "types a skops file may hold, by commas")
    add("--batch-rows", Env.BATCH_ROWS, "64", _whole(1), "most rows of a micro-batch")
    add("--batch-wait-seconds", Env.BATCH_WAIT_SECONDS, "0", _number(0, 10), "longest wait for a batch")
    add("--max-body-bytes", Env.MAX_BODY_BYTES, str(16 << 20), _whole(1), "longest request body")
    add("--cors-origins", Env.CORS_ORIGINS, "", _origins, "origins that may ask from a browser, by commas")
    add("--drain-seconds", Env.DRAIN_SECONDS, "2", _number(0), "wait after SIGTERM while not ready")
    add("--log-level", Env.LOG_LEVEL, "info", _level, "debug, info, warning or error")
    add("--stack", Env.STACK, "", str, "id of the local stack it belongs to")
    for flag, env, text in (
        ("--allow-pickle", Env.ALLOW_PICKLE, "load joblib bundles, which can run any code"),
        ("--request-log", Env.REQUEST_LOG, "one JSON line per request on stderr"),
        ("--exit-on-error", Env.EXIT_ON_ERROR, "end when the bundle cannot be loaded"),
    ):
        default = _truth(environment.get(env, ""), env, parser)
        parser.add_argument(
            flag, action=argparse.BooleanOptionalAction, default=default, help=f"{text} [{env}]"
        )
    parser.add_argument("--fd", type=_whole(0), default=-1, help="inherited listening socket to serve too")
    return parser


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    def whole(text: str) -> int:
        value = int(text)
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(
                f"{text}: from {least}" + (f" to {most}" if most is not None else "")
            )
        return value

    return whole


def _number(least: float, most: float = float("inf")) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text}: from {least} to {most}")
        return value

    return number


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _origins(text: str) -> frozenset[str]:
    origins = _names(text)
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise argparse.ArgumentTypeError(
                f"{origin}: an origin is scheme, host and port as https://shop.example:8443, or *"
            )
    return origins


def _level(text: str) -> str:
    if text.lower() not in ("debug", "info", "warning", "error"):
        raise argparse.ArgumentTypeError(f"{text}: debug, info, warning or error")
    return text.lower()


def _truth(text: str, env: Env, parser: argparse.ArgumentParser) -> bool:
    known = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
    if text.lower() not in known:
        parser.error(f"{env}={text!r}: true or false")
    return known[text.lower()]
