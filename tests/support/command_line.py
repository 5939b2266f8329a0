"""The command `tidegauge` called in this process, as click's own tests do."""

import re

from click.testing import CliRunner, Result

from tidegauge.cli import main

FOREIGN = re.compile(
    r"Errno|codec|Traceback|msgspec|object, got|int \| null|\bstr\b|\bfloat\b|<byte string>|None\b"
)
LITERAL = re.compile(r"\['|\{'|np\.")


def tidegauge(*arguments: object) -> Result:
    """Run a command; `output` holds standard output and standard error."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(
        main, [str(argument) for argument in arguments], prog_name="tidegauge"
    )


def assert_one_line_error(result: Result, *words: str) -> None:
    """What every error of ours looks like: one line, exit code 2, no traceback."""
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("tidegauge: ")
    assert all(word in result.stderr for word in words), result.stderr


def assert_plain_words(line: str) -> None:
    """No library's words and no Python in what people read."""
    assert not FOREIGN.search(line), line
    assert not LITERAL.search(line), line
