"""One log for four programs: the same fields, as text or as JSON, on standard error alone."""

import io
import json
import logging
import re
import signal
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from support.four_programs import PROGRAMS, Four, Running, four_programs
from support.waiting import wait_for

from tidegauge.kit.log import JsonLines, TextLines

FIELDS = {"time", "level", "logger", "message"}
TEXT = re.compile(r"(\S+) (DEBUG|INFO|WARNING|ERROR) ([\w.]+)( \[[^\]]+\])? \S.*")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Four:
    return four_programs(tmp_path_factory.mktemp("four"))


def run_and_stop(four: Four, program: str, *flags: str) -> Running:
    """Run a program until it has logged something, then end it as a pod is ended."""
    with four.running(program, "--log-level", "debug", *flags) as running:
        wait_for(running.lines, "a line in the log", 30)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0, running.lines()
        return running


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_each_line_of_json_has_the_same_fields(four: Four, program: str) -> None:
    ended = run_and_stop(four, program, "--log-format", "json")
    assert set(ended.printed) == {"event", "host", "port"}
    lines = [json.loads(line) for line in ended.lines()]
    assert all(FIELDS <= set(line) <= {*FIELDS, "key", "exception"} for line in lines)
    assert {line["level"] for line in lines} <= {"debug", "info", "warning", "error"}
    times = [datetime.fromisoformat(line["time"]) for line in lines]
    assert all(time.utcoffset() == timedelta(0) for time in times)
    assert times == sorted(times)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_text_log_has_the_fields_of_the_json_log(four: Four, program: str) -> None:
    ended = run_and_stop(four, program, "--log-format", "TEXT")
    heads = [line for line in ended.lines() if re.match(r"\d{4}-", line)]
    assert heads
    assert all(TEXT.fullmatch(line) for line in heads), heads
    assert all(datetime.fromisoformat(line.split()[0]).utcoffset() == timedelta(0) for line in heads)


def logged(formatter: logging.Formatter, write: Callable[[logging.Logger], None]) -> str:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter)
    logger = logging.Logger("tidegauge_operator.controller.reconciler")
    logger.addHandler(handler)
    write(logger)
    return written.getvalue()


def fail(logger: logging.Logger) -> None:
    try:
        raise ValueError("not understood")
    except ValueError:
        logger.exception("reconcile failed", extra={"key": "ml/fraud"})


def test_a_line_names_the_model_it_is_about() -> None:
    line = json.loads(
        logged(
            JsonLines(),
            lambda logger: logger.warning(
                "%s: %s", "NameTaken", 'a Service of "that" name\nis there', extra={"key": "ml/house-prices"}
            ),
        )
    )
    line.pop("time")
    assert line == {
        "level": "warning",
        "logger": "tidegauge_operator.controller.reconciler",
        "message": 'NameTaken: a Service of "that" name\nis there',
        "key": "ml/house-prices",
    }
    assert "key" not in json.loads(logged(JsonLines(), lambda logger: logger.error("no model")))


def test_a_traceback_is_a_field_of_json_and_lines_of_text() -> None:
    as_json = json.loads(logged(JsonLines(), fail))
    assert as_json["exception"].endswith("ValueError: not understood")
    first, *rest = logged(TextLines(), fail).splitlines()
    assert first.endswith(" ERROR tidegauge_operator.controller.reconciler [ml/fraud] reconcile failed")
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "ValueError: not understood"


def test_a_line_of_json_is_one_line_whatever_it_says() -> None:
    texts = ["two\nlines", "a\u2028b", "\x00\x1b[31m", '"quoted" \\', "é∂ß", "\ud800"]
    for text in texts:
        (line,) = logged(JsonLines(), lambda logger, text=text: logger.info("%s", text)).split("\n")[:-1]
        assert json.loads(line)["message"] == text
