"""Settings of a program as a table: a field has flag, variable, kind, default, unit and help."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, NamedTuple, TypeVar, dataclass_transform

from tidegauge.kit import kinds
from tidegauge.protocol.names import Env

__all__ = [
    "CommonSettings",
    "Setting",
    "StackSettings",
    "host_setting",
    "log_format_setting",
    "port_setting",
    "setting",
    "settings_of",
    "table",
]

T = TypeVar("T")
LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("text", "json")
_KEY: Final = "setting"


class Setting(NamedTuple):
    """One row of the table.

    Parameters
    ----------
    variable
        Its environment variable; None where only a flag can set it.
    flag
        The flag, as ``--log-level``.
    read
        Its kind: makes the value of a text, or raises `ValueError` with the rule.
    about
        What it is, for ``--help``.
    unit
        What the value is given in, such as ``seconds``; empty for a switch.
    default
        The default as a person would write it; None where a value is needed.
    """

    variable: Env | None
    flag: str
    read: Callable[[str], Any]
    about: str
    unit: str
    default: str | None

    @property
    def is_switch(self) -> bool:
        """Whether the flag has no value, and a second form ``--no-...``."""
        return self.read is kinds.truth


def setting(
    variable: Env | str, read: Callable[[str], Any], about: str, *, unit: str = "", default: str | None = None
) -> Any:
    """Describe one field of a table.

    Parameters
    ----------
    variable
        Its variable, which its flag is named after; or the flag, where there is no variable.
    read, about, unit, default
        As in `Setting`.
    """
    is_variable = isinstance(variable, Env)
    row = Setting(
        variable=variable if is_variable else None,  # type: ignore[arg-type]
        flag=_flag_of(variable) if is_variable else variable,
        read=read,
        about=about,
        unit=unit,
        default=default,
    )
    return field(default=MISSING if default is None else read(default), metadata={_KEY: row})


def host_setting(*, default: str) -> Any:
    """Describe where a program listens."""
    return setting(Env.HOST, kinds.text, "address to listen on", unit="address", default=default)


def port_setting(*, default: str) -> Any:
    """Describe the port of a program."""
    about = "port to listen on; 0 takes a free one, which is printed"
    return setting(Env.PORT, kinds.port, about, unit="port", default=default)


def log_format_setting(*, default: str) -> Any:
    """Describe the format of a program's log."""
    about = "format of the log's lines: text or json"
    return setting(Env.LOG_FORMAT, kinds.choice(*FORMATS), about, unit="format", default=default)


def _flag_of(variable: str) -> str:
    return "--" + variable.removeprefix("TIDEGAUGE_").lower().replace("_", "-")


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(setting, host_setting, port_setting, log_format_setting),
)
def table(described: type[T]) -> type[T]:
    """Make a class whose fields are settings."""
    return dataclass(frozen=True, kw_only=True)(described)


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(setting, host_setting, port_setting, log_format_setting),
)
def _part(described: type[T]) -> type[T]:
    """Make a class of fields for tables to inherit; methods of its own would only delay each start."""
    return dataclass(init=False, repr=False, eq=False, frozen=True, kw_only=True)(described)


def settings_of(described: type) -> Iterator[tuple[str, Setting]]:
    """Yield each field's name with its row, the common ones last."""
    common = {each.name for each in fields(StackSettings)}
    ordered = sorted(fields(described), key=lambda each: each.name in common)
    return ((each.name, each.metadata[_KEY]) for each in ordered)


@_part
class CommonSettings:
    """Settings that every program has."""

    host: str = host_setting(default="0.0.0.0")
    port: int = port_setting(default="0")
    log_level: str = setting(
        Env.LOG_LEVEL,
        kinds.choice(*LEVELS),
        "lowest level that is logged: debug, info, warning or error",
        unit="level",
        default="info",
    )
    log_format: str = log_format_setting(default="text")


@_part
class StackSettings(CommonSettings):
    """Settings of a program that also runs in the local stack."""

    stack: str = setting(
        Env.STACK, kinds.text, "id of the local stack that it belongs to", unit="id", default=""
    )
