"""Pages of the documentation as programs: their files, their commands, and what those print."""

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`([\w./-]+)`[^`\n]*:\n\n\Z")
FILES = {"python", "yaml"}


@dataclass(frozen=True)
class Commands:
    """Commands of a page, and what stands below them as their output."""

    text: str
    output: str = ""


def files_of(page: str) -> dict[str, str]:
    """Files that the page shows: a block of Python or YAML below a line that ends with the file's name."""
    found = {}
    for block in FENCE.finditer(page):
        name = NAMED.search(page[: block.start()])
        if block[1] in FILES and name:
            found[name[1]] = block[2]
    return found


def commands_of(page: str) -> list[Commands]:
    """All commands in order; a text block directly below them is what they print."""
    blocks = list(FENCE.finditer(page))
    found = []
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block[1] != "sh":
            continue
        below = after is not None and after[1] == "text" and not page[block.end() : after.start()].strip()
        found.append(Commands(block[2], after[2] if below and after else ""))
    return found


def shape(text: str) -> list[str]:
    """The lines of an output without what differs from run to run: numbers, times, widths of tables.

    Lines without words go too; `...` is one, for lines that the page leaves out.
    """
    masked = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{64}", "#", text)
    masked = re.sub(r"(?:\d+[dhms])+\b|\d[\d.,:]*(?: (?:s|min|h)\b)?", "#", masked)
    lines = [" ".join(line.split()) for line in masked.splitlines()]
    return [line for line in lines if re.search(r"[A-Za-z]", line)]


def page(name: str) -> str:
    """A page of `docs/`."""
    return (Path(__file__).parents[2] / "docs" / name).read_text()
