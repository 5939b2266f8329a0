"""The program's settings; `docs/settings.md` describes each."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tidegauge.kit import kinds
from tidegauge.kit.command_line import read_settings
from tidegauge.kit.settings import StackSettings, port_setting, setting, table
from tidegauge.protocol.names import AGGREGATOR_PORT, Env

__all__ = ["PROGRAM", "Settings", "parse_settings"]

PROGRAM: Final = "tidegauge-aggregator"
_SHARD: Final = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


def _shard(given: str) -> tuple[int, int]:
    """Which share of the features, and of how many."""
    match = _SHARD.fullmatch(given)
    if not match or not int(match[1]) < int(match[2]) <= 1024:
        raise ValueError("it must be INDEX/OF with INDEX below OF, as in 0/2, and OF at most 1024")
    return int(match[1]), int(match[2])


@table
class Settings(StackSettings):
    """How one aggregator runs."""

    data_dir: Path = setting(Env.DATA_DIR, kinds.path, "folder of the store", unit="path")
    port: int = port_setting(default=str(AGGREGATOR_PORT))
    token_file: Path | None = setting(
        Env.TOKEN_FILE,
        kinds.path,
        "file with the bearer token of writes, which are open if not set",
        unit="path",
        default="",
    )
    config: Path | None = setting(
        Env.CONFIG, kinds.path, "JSON file with policies and expected pods by model", unit="path", default=""
    )
    shard: tuple[int, int] = setting(
        Env.SHARD, _shard, "share of the features that it holds", unit="index/of", default="0/1"
    )
    retention_seconds: int = setting(
        Env.RETENTION_SECONDS,
        kinds.whole_seconds(3600),
        "how long counts and history are kept, and how late a pane may come",
        unit="duration",
        default="30d",
    )


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read flags and environment; end with a line for each mistake."""
    about = "Merge the panes of all pods into one exact result per feature."
    return read_settings(Settings, PROGRAM, about, arguments, environment)
