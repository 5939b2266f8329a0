"""Builds that run beside tests: their order, what is heard of them, and what becomes of failures."""

import threading
from concurrent.futures import CancelledError

import pytest
from support.builds import Builds
from support.cache import Tell
from support.controlplane.unavailable import Unavailable

BOUND_SECONDS = 30.0


def refuses(reason: Exception) -> Builds:
    def build(_: Tell) -> None:
        raise reason

    return Builds({"node": build})


def test_builds_go_on_beside_tests_that_need_none() -> None:
    let_go = threading.Event()
    builds = Builds({"chart": lambda _: None, "node": lambda _: let_go.wait(BOUND_SECONDS)})
    builds.wait("chart", print)
    let_go.set()
    builds.wait("node", print)


def test_builds_are_made_one_after_the_other_as_given() -> None:
    seen = []

    def build(name: str, _: Tell) -> None:
        seen.append(f"{name} begins")
        seen.append(f"{name} ends")

    names = ("chart", "apiserver", "node")
    builds = Builds({name: lambda tell, name=name: build(name, tell) for name in names})
    builds.wait("node", print)
    assert seen == [f"{name} {does}" for name in names for does in ("begins", "ends")]


def test_who_waits_hears_what_was_told_before_and_meanwhile() -> None:
    told, heard = threading.Event(), threading.Event()
    lines = []

    def build(tell: Tell) -> None:
        tell("compiling\n")
        told.set()
        assert heard.wait(BOUND_SECONDS)
        tell("compiled\n")

    def hear(line: str) -> None:
        lines.append(line)
        heard.set()

    builds = Builds({"node": build})
    assert told.wait(BOUND_SECONDS)
    builds.wait("node", hear)
    assert lines == ["compiling\n", "compiled\n"]


@pytest.mark.parametrize("reason", [Unavailable("no Go"), RuntimeError("it does not compile")])
def test_each_waiting_tier_learns_why_a_build_failed(reason: Exception) -> None:
    builds = refuses(reason)
    for _ in range(2):
        with pytest.raises(type(reason), match=str(reason)):
            builds.wait("node", print)


def test_an_ended_run_begins_no_further_build() -> None:
    begun, let_go, second = threading.Event(), threading.Event(), threading.Event()

    def first(_: Tell) -> None:
        begun.set()
        assert let_go.wait(BOUND_SECONDS)

    builds = Builds({"apiserver": first, "node": lambda _: second.set()})
    assert begun.wait(BOUND_SECONDS)
    builds.end()
    let_go.set()
    builds.wait("apiserver", print)
    with pytest.raises(CancelledError):
        builds.wait("node", print)
    assert not second.is_set()
