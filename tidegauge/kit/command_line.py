"""Read a table of settings from arguments and environment; every mistake at once, a line each."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from tidegauge.kit.settings import Setting, settings_of
from tidegauge.nearest import or_nearest
from tidegauge.telling import told

__all__ = ["read_settings"]

T = TypeVar("T")
MISTAKE = 2  # exit code of a command line that cannot be read, as of other programs


def read_settings(
    described: type[T], program: str, about: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> T:
    """Read the settings of a program; a flag wins, and an empty variable counts as not set.

    Parameters
    ----------
    described
        Its table, made with `tidegauge.kit.settings.table`.
    program, about
        Its name, and what it does in one sentence, for messages and ``--help``.
    arguments, environment
        What to read.

    Raises
    ------
    SystemExit
        With code 0 after ``--help``, and 2 after all mistakes were written to standard error.
    """
    rows = dict(settings_of(described))
    if "--help" in arguments or "-h" in arguments:
        print(_help(program, about, rows.values()))
        raise SystemExit(0)
    flags, mistakes = _scan(arguments, rows.values())
    values: dict[str, Any] = {}
    for name, row in rows.items():
        try:
            values |= _read(name, row, flags, environment)
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        _refuse(program, mistakes)
    return described(**values)


def _read(
    name: str, row: Setting, flags: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """The field's value by its name; nothing where the default holds."""
    source, given = row.flag, flags.get(row.flag)
    if given is None and row.variable is not None:
        source, given = str(row.variable), environment.get(row.variable) or None
    if not given and row.default is None:
        raise ValueError(f"{row.flag} ({row.variable}) is needed: {row.about}")
    if given is None:
        return {}
    try:
        return {name: row.read(given)}
    except ValueError as error:
        raise ValueError(f"{source} {told(given)}: {error}") from None


def _scan(arguments: Sequence[str], rows: Iterable[Setting]) -> tuple[dict[str, str], list[str]]:
    """The texts that flags were given, the last of each, and what is no flag of the program."""
    known = {row.flag: row for row in rows}
    off = {f"--no-{row.flag[2:]}": row.flag for row in known.values() if row.is_switch}
    found: dict[str, str] = {}
    mistakes: list[str] = []
    words = list(arguments)
    while words:
        flag, has_value, value = words.pop(0).partition("=")
        if flag in off and not has_value:
            found[off[flag]] = "false"
        elif flag not in known:
            mistakes.append(f"{told(flag)} is none of its options: {or_nearest(flag, [*known, *off])}")
        elif has_value:
            found[flag] = value
        elif known[flag].is_switch:
            found[flag] = "true"
        elif words and words[0] not in known:
            found[flag] = words.pop(0)
        else:
            mistakes.append(f"{flag} needs a value: {flag} {known[flag].unit.upper()}")
    return found, mistakes


def _refuse(program: str, mistakes: Iterable[str]) -> NoReturn:
    for mistake in mistakes:
        print(f"{program}: {mistake}", file=sys.stderr)
    raise SystemExit(MISTAKE)


def _help(program: str, about: str, rows: Iterable[Setting]) -> str:
    rows = list(rows)
    durations = ["A DURATION is a number of seconds, or such as 30d, 1h30m or 10s."]
    lines = [
        f"Usage: {program} [OPTION VALUE]...",
        "",
        about,
        "Each option can be set by its environment variable too. The option wins.",
        *(durations if any(row.unit == "duration" for row in rows) else ()),
        "",
        *(line for row in rows for line in _help_of(row)),
        "  --help, -h",
        "      show this, and end",
    ]
    return "\n".join(lines)


def _help_of(row: Setting) -> Iterator[str]:
    value = f"/--no-{row.flag[2:]}" if row.is_switch else f" {row.unit.upper()}"
    default = "needed" if row.default is None else f"default {row.default}" if row.default else "not set"
    yield f"  {row.flag}{value}"
    yield f"      {row.about}"
    yield f"      [{row.variable}, {default}]" if row.variable else f"      [{default}]"
