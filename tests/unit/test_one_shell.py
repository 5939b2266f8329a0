"""Four programs, one shell: the same flags, the same words for the same mistake, no traceback."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.four_programs import PROGRAMS, TABLES, Four, four_programs

from tidegauge.kit import kinds
from tidegauge.kit.settings import settings_of
from tidegauge.protocol.names import Env

COMMON = {"--host", "--port", "--log-level", "--log-format", "--help"}
PORT_RULE = "it must be a whole number from 0 to 65535"
LEVEL_RULE = "it must be debug, info, warning or error"


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Four:
    return four_programs(tmp_path_factory.mktemp("four"))


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_help_names_every_flag_with_its_variable(four: Four, program: str) -> None:
    shown = four.ended(program, "--help")
    words = set(shown.stdout.replace("[", " ").replace(",", " ").replace("/", " ").split())
    rows = [row for _, row in settings_of(TABLES[program])]
    assert shown.returncode == 0
    assert words >= COMMON
    assert {row.flag for row in rows} <= words
    assert {str(row.variable) for row in rows if row.variable} <= words
    assert max(map(len, shown.stdout.splitlines())) <= 120


MISTAKES = {
    "flags": (
        ["--prot=80", "--log-level", "verbose", "--log-format", "xml", "--port", "8_0", "--host"],
        {"TIDEGAUGE_PORT": "not looked at: the flag wins"},
        [
            "'--prot' is none of its options: did you mean --port?",
            "--host needs a value: --host ADDRESS",
            f"--port '8_0': {PORT_RULE}",
            f"--log-level 'verbose': {LEVEL_RULE}",
            "--log-format 'xml': it must be text or json",
        ],
    ),
    "variables": (
        [],
        {"TIDEGAUGE_PORT": "abc", "TIDEGAUGE_LOG_LEVEL": "verbose", "TIDEGAUGE_LOG_FORMAT": "logfmt"},
        [
            f"TIDEGAUGE_PORT 'abc': {PORT_RULE}",
            f"TIDEGAUGE_LOG_LEVEL 'verbose': {LEVEL_RULE}",
            "TIDEGAUGE_LOG_FORMAT 'logfmt': it must be text or json",
        ],
    ),
    "capitals are no mistake, an empty port is": (
        ["--log-level", "DEBUG", "--port="],
        {"TIDEGAUGE_LOG_FORMAT": "JSON"},
        [f"--port '': {PORT_RULE}"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_same_mistakes_have_the_same_words_all_at_once(four: Four, program: str, mistake: str) -> None:
    flags, variables, words = MISTAKES[mistake]
    ended = four.ended(program, *flags, variables=variables)
    assert ended.stderr.splitlines() == [f"tidegauge-{program}: {each}" for each in words]
    assert (ended.returncode, ended.stdout) == (2, "")


@pytest.mark.parametrize(
    "text", ["-1", "65536", "abc", "8_0", "0x50", "80.0", "8e1", "٨٠", "", "9" * 5000, "+80"]
)
def test_what_is_no_port_is_refused_in_the_same_words(text: str) -> None:
    with pytest.raises(ValueError, match=PORT_RULE):
        kinds.port(text)


@pytest.mark.parametrize("text", ["1_0", "nan", "inf", "-inf", "1e999", "", "0x1", "1,5", "٣", "one", "--1"])
def test_what_is_no_number_is_refused_by_its_rule(text: str) -> None:
    share = kinds.number("a number from 0 to 1", lambda value: value <= 1)
    with pytest.raises(ValueError, match="it must be a number from 0 to 1"):
        share(text)


def test_numbers_and_words_are_read_as_people_write_them() -> None:
    any_number = kinds.number("a number", lambda _: True)
    assert [any_number(text) for text in ("1", "0.5", ".5", "5.", "-2e-3", " 7\n")] == [
        1,
        0.5,
        0.5,
        5,
        -0.002,
        7,
    ]
    assert [kinds.truth(text) for text in ("True", "YES", "1", "no", "FALSE", " 0 ")] == [True] * 3 + [
        False
    ] * 3
    assert kinds.choice("text", "json")(" JSON\n") == "json"
    assert kinds.names(" a, b,,c ,") == ("a", "b", "c")


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_taken_port_is_one_line(four: Four, program: str, taken_port: int) -> None:
    ended = four.ended(program, "--host", "127.0.0.1", "--port", str(taken_port))
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(
        f"tidegauge-{program}: 127.0.0.1 port {taken_port} cannot be listened on (Address already in use): "
    )
    assert last.endswith("choose others with --host and --port, where port 0 takes a free one")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kubeconfig", "words"),
    [
        (None, "there is no cluster: run in a pod of one, or name a file with --kubeconfig"),
        ("nowhere", "is not there: name another with --kubeconfig (TIDEGAUGE_KUBECONFIG)"),
        ("profile.json", "cannot be used: it is no kubeconfig"),
        ("list.yaml", "cannot be used: it is no kubeconfig"),
        ("broken.yaml", "cannot be used: it is no kubeconfig"),
        (".", "cannot be read: Is a directory"),
    ],
)
def test_an_operator_without_a_cluster_says_so_in_one_line(
    four: Four, kubeconfig: str | None, words: str
) -> None:
    (four.folder / "list.yaml").write_text("- 1\n- 2\n")
    (four.folder / "broken.yaml").write_text("a: [1\n")
    path = str(four.folder / kubeconfig) if kubeconfig else ""
    ended = four.ended(
        "operator", "--port=0", f"--kubeconfig={path}", variables={"KUBERNETES_SERVICE_HOST": ""}
    )
    (line,) = ended.stderr.splitlines()
    assert line.startswith("tidegauge-operator: ")
    assert words in line
    assert ended.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("variable", [Env.DATA_DIR, Env.BUNDLE, Env.PROFILE])
def test_a_needed_setting_that_is_empty_is_missing(four: Four, variable: Env) -> None:
    program = {Env.DATA_DIR: "aggregator", Env.BUNDLE: "serving", Env.PROFILE: "sidecar"}[variable]
    (row,) = [row for _, row in settings_of(TABLES[program]) if row.variable is variable]
    ended = four.ended(program, row.flag, "", variables={variable: "/used/if/there/were/no/flag"})
    assert ended.stderr == f"tidegauge-{program}: {row.flag} ({variable}) is needed: {row.about}\n"
    assert ended.returncode == 2


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_named(four: Four, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for program, flag in (("aggregator", "--data-dir"), ("sidecar", "--log-dir")):
        ended = four.ended(program, flag, str(tmp_path / "file" / "below"), "--port=0")
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"tidegauge-{program}: ")
        assert f"{tmp_path}/file" in line
        assert "Errno" not in line
