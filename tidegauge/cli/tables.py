"""The one way in which commands print tables: no name and no number is ever cut, at any width.

A table that is wider than the terminal first puts long names on lines of their own, above their rows. Where
even that is too wide, each row becomes a block of lines. A pipe or file has no width.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

__all__ = ["Column", "duration", "print_table", "printable", "screen"]

_GAP: Final = 2
_INDENT: Final = 2
_Row = Sequence[Text]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; the one that `names` its row may have a line of its own."""

    title: str
    justify: Literal["left", "right"] = "left"
    names: bool = False


def screen(*, to_stderr: bool = False) -> Console:
    """Return standard output as commands write to it: lines are never broken, texts are taken as they are."""
    return Console(stderr=to_stderr, soft_wrap=True, highlight=False, emoji=False)


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print rows under the titles of their columns, as wide as the terminal or as the table itself."""
    console = screen()
    cells = [[_cell(value, console.encoding) for value in row] for row in rows]
    for line in _lines(columns, cells, _width(console), _rule(console.encoding)):
        console.print(line, soft_wrap=True)


def printable(text: str) -> str:
    r"""Return a text from data as one line, control characters escaped as Python does (``\n``)."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def duration(seconds: float) -> str:
    """Return a duration in the largest unit of which it holds two, or in seconds."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _cell(value: str | Text, encoding: str) -> Text:
    text = value if isinstance(value, Text) else Text(value)
    plain = printable(text.plain).encode(encoding, "backslashreplace").decode(encoding)
    return Text(plain, style=text.style)


def _width(console: Console) -> int | None:
    """Columns there are; None where nothing limits a line."""
    return console.width if console.file.isatty() or "COLUMNS" in os.environ else None


def _rule(encoding: str) -> str:
    return "─" if encoding.lower().startswith("utf") else "-"


def _lines(columns: Sequence[Column], rows: Sequence[_Row], width: int | None, rule: str) -> list[Text]:
    table = [[Text(column.title, style="bold") for column in columns], *rows]
    if width is None or sum(widths := _widths(table)) + _GAP * (len(columns) - 1) <= width:
        return _aligned(columns, table, _widths(table), rule)
    order = sorted(range(len(columns)), key=lambda index: not columns[index].names)
    columns, table = [columns[i] for i in order], [[row[i] for i in order] for row in table]
    room = width - sum(widths[i] + _GAP for i in order[1:])
    if room >= _INDENT:
        fitting = [length for row in table if (length := row[0].cell_len) <= room]
        return _aligned(columns, table, [max(fitting, default=_INDENT), *_widths(table)[1:]], rule)
    return [line for row in table[1:] for line in _block(columns, row)]


def _widths(table: Sequence[_Row]) -> list[int]:
    return [max(cell.cell_len for cell in column) for column in zip(*table, strict=True)]


def _aligned(columns: Sequence[Column], table: Sequence[_Row], widths: list[int], rule: str) -> list[Text]:
    lines = [line for row in table for line in _row(columns, row, widths)]
    heading = len(_row(columns, table[0], widths))
    return [*lines[:heading], Text(rule * (sum(widths) + _GAP * (len(widths) - 1))), *lines[heading:]]


def _row(columns: Sequence[Column], row: _Row, widths: list[int]) -> list[Text]:
    """A row as one line, or as two: a name that is too long is above the rest."""
    first, cells = [], list(row)
    if cells[0].cell_len > widths[0]:
        first, cells[0] = [cells[0]], Text()
    padded = list(map(_padded, cells, columns, widths))
    line = Text(" " * _GAP).join(padded)
    line.rstrip()
    return [*first, line]


def _padded(cell: Text, column: Column, width: int) -> Text:
    space = " " * (width - cell.cell_len)
    parts = (space, cell) if column.justify == "right" else (cell, space)
    return Text.assemble(*parts)


def _block(columns: Sequence[Column], row: _Row) -> list[Text]:
    """A row as lines of their own, without what is empty."""
    longest = max(cell_len(column.title) for column in columns[1:])
    named = zip(columns[1:], row[1:], strict=True)
    values = [
        Text.assemble(" " * _INDENT, column.title.ljust(longest + _GAP), cell)
        for column, cell in named
        if cell.plain
    ]
    return [row[0], *values]
