"""The documentation is in plain words: short sentences, narrow lines, no riddles."""

import re
from pathlib import Path

import pytest

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


ROOT = Path(__file__).parents[2]
ROOMS = ("docs", "examples", "charts")
PAGES = sorted([*ROOT.glob("*.md"), *(page for room in ROOMS for page in ROOT.glob(f"{room}/**/*.md"))])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

MEAN_WORDS = 16
SHARE_ABOVE_30 = 0.04
LONGEST_SENTENCE = 40
COLUMNS = 120

# Say "should" for "ought", "again" for "anew", "anyone who" for "whoever", "is" for "stands".
BANNED = re.compile(
    r"\b(?:whoever|whatever comes|whosoever|ought|anew|thereof|wherein|of whom|hence(?:forth)?|"
    r"(?:is|are|was|were|be|been) told|is said (?:of|to)|(?:as|that|which|what) (?:it|they) stands?|"
    r"stands? (?:in|still|until|aside|as)\b|lest|amidst|whither|away with|by heart|slip of the pen|"
    r"the way of a row|goes? by)\b",
    re.IGNORECASE,
)

# Pages that are still to be rewritten. The list only gets shorter.
TO_REWRITE: set[str] = set()


def test_sentences_are_short_on_average() -> None:
    lengths = [len(sentence.split()) for page in PAGES for sentence in sentences(page.read_text())]
    assert len(lengths) > 1000
    assert sum(lengths) / len(lengths) <= MEAN_WORDS
    assert sum(length > 30 for length in lengths) / len(lengths) <= SHARE_ABOVE_30


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_in_plain_words(name: str) -> None:
    if name in TO_REWRITE:
        pytest.skip("still to be rewritten")
    page = (ROOT / name).read_text()
    assert not [found.group() for found in BANNED.finditer(words_of(page))], "say it with a plain word"
    too_long = [sentence for sentence in sentences(page) if len(sentence.split()) > LONGEST_SENTENCE]
    assert not too_long, "make two or three sentences of it"
    assert not long_lines(page, COLUMNS), f"fold lines at {COLUMNS} columns"


BANNED_IN_CODE = re.compile(
    r"\b(?:whoever|whosoever|ought|anew|of whom|hence(?:forth)?|lest|(?:is|are|was|were|been) told)\b",
    re.IGNORECASE,
)
PACKAGES = ("tidegauge", "serving", "drift_sidecar", "aggregator", "operator")


@pytest.mark.parametrize("package", PACKAGES)
def test_comments_docstrings_and_messages_have_none_of_these_words(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BANNED_IN_CODE.search(line)
    ]
    assert not found


def test_the_list_of_pages_to_rewrite_holds_no_other() -> None:
    assert set(NAMES) >= TO_REWRITE


def test_what_is_no_sentence_is_not_measured() -> None:
    prose, code, rest = "One two. `three four` five\nsix.\n", "```sh\nno. No.\n```\n", "| a | table |\n"
    page = f"# Head\n\n{prose}\n{code}- item [link](a.md) here\n- more\n\n{rest}"
    assert sentences(page) == ["One two.", "code five six.", "item link here", "more"]
    assert long_lines("| " + "x" * 130 + "\n" + "y" * 130, 120) == ["y" * 130]
