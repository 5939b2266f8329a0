"""The operator's settings."""

from pathlib import Path

import pytest
from tidegauge_operator.settings import parse_settings

from tidegauge.__about__ import __version__
from tidegauge.protocol.duration import RULE
from tidegauge.protocol.names import Env


def test_without_settings_it_serves_all_namespaces_of_the_cluster_it_runs_in() -> None:
    settings = parse_settings([], {})
    assert (settings.namespaces, settings.kubeconfig, settings.port) == ((), None, 8082)


def test_images_have_short_names_until_a_registry_is_named() -> None:
    settings = parse_settings(
        ["--pull-secrets", "one,two"], {"TIDEGAUGE_SERVING_IMAGE": "example.com/serving:7"}
    )
    assert settings.images.serving == "example.com/serving:7"
    assert settings.images.sidecar == f"localhost/tidegauge/drift-sidecar:{__version__}"
    assert settings.images.pull_secrets == ("one", "two")


def test_a_flag_wins_over_the_environment() -> None:
    environment = {"TIDEGAUGE_PORT": "9000", "TIDEGAUGE_NAMESPACES": "a,b", "TIDEGAUGE_KUBECONFIG": "/x"}
    settings = parse_settings(["--port", "9001"], environment)
    assert (settings.port, settings.namespaces, settings.kubeconfig) == (9001, ("a", "b"), Path("/x"))


@pytest.mark.parametrize("variable", [Env.PORT, Env.REPORT_SECONDS, Env.LOG_LEVEL, Env.POD])
def test_an_empty_variable_counts_as_unset(variable: Env) -> None:
    assert parse_settings([], {variable: ""}) == parse_settings([], {})


@pytest.mark.parametrize(
    ("variable", "text", "rule"),
    [
        (Env.PORT, "65536", "a whole number from 0 to 65535"),
        (Env.PORT, "-1", "a whole number from 0 to 65535"),
        (Env.PORT, "http", "a whole number from 0 to 65535"),
        (Env.REPORT_SECONDS, "0", f"a number above 0, in seconds, or a duration: {RULE}"),
        (Env.REPORT_SECONDS, "-1", f"a number above 0, in seconds, or a duration: {RULE}"),
        (Env.REPORT_SECONDS, "nan", f"a number above 0, in seconds, or a duration: {RULE}"),
        (Env.REPORT_SECONDS, "inf", f"a number above 0, in seconds, or a duration: {RULE}"),
        (Env.REPORT_SECONDS, "often", f"a number above 0, in seconds, or a duration: {RULE}"),
        (Env.LOG_LEVEL, "loud", "debug, info, warning or error"),
    ],
)
def test_nonsense_is_refused_by_name(
    variable: Env, text: str, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = "--" + variable.removeprefix("TIDEGAUGE_").lower().replace("_", "-")
    for source, arguments, environment in (
        (flag, [f"{flag}={text}"], {}),
        (variable, [], {variable: text}),
    ):
        with pytest.raises(SystemExit):
            parse_settings(arguments, environment)
        assert capsys.readouterr().err == f"tidegauge-operator: {source} '{text}': it must be {rule}\n"


def test_spaces_between_namespaces_are_no_part_of_their_names() -> None:
    assert parse_settings([], {Env.NAMESPACES: "ml, shop ,"}).namespaces == ("ml", "shop")
