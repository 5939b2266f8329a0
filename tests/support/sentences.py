"""Sentences of a Markdown page: what is left without code blocks, tables, headings and link targets."""

import re

_FENCED = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"`+[^`]+`+")
_ITEM = re.compile(r"(?:[-*+]|\d+\.)\s+")
_NO_PROSE = ("|", "#", "<", "![", "[!")
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])[)*\"]*\s+(?=[\"*(]*(?:[A-Z0-9]|code\b))")


def _blocks(page: str) -> list[str]:
    blocks, block = [], ""
    for line in map(str.strip, [*page.splitlines(), ""]):
        item = _ITEM.match(line)
        if not line or item or line.startswith(_NO_PROSE):
            blocks.append(block)
            block = ""
        if line and not line.startswith(_NO_PROSE):
            block += " " + line[item.end() if item else 0 :].lstrip("> ")
    return [block for block in blocks if block.strip()]


def words_of(page: str) -> str:
    """Return the page's own words: without code, comments and link targets, tables and headings kept."""
    return _CODE.sub("code", _LINK.sub(r"\1", _COMMENT.sub("", _FENCED.sub("", page))))


def sentences(page: str) -> list[str]:
    """Return the sentences of paragraphs and list items; each item of a list begins one of its own."""
    return [
        sentence.strip()
        for block in _blocks(words_of(page))
        for sentence in _BETWEEN_SENTENCES.split(block)
        if any(letter.isalpha() for letter in sentence)
    ]


def long_lines(page: str, columns: int) -> list[str]:
    """Return the lines longer than `columns`, without tables, pictures and code, which cannot be folded."""
    return [
        line
        for line in _FENCED.sub("", page).splitlines()
        if len(line) > columns and not line.startswith(("|", "!["))
    ]
