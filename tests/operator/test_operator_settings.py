"""The operator's settings."""

from pathlib import Path

from tidegauge_operator.settings import parse_settings


def test_without_settings_it_serves_all_namespaces_of_the_cluster_it_runs_in() -> None:
    settings = parse_settings([], {})
    assert (settings.namespaces, settings.kubeconfig, settings.port) == ((), None, 8082)


def test_a_flag_wins_over_the_environment() -> None:
    environment = {"TIDEGAUGE_PORT": "9000", "TIDEGAUGE_NAMESPACES": "a,b", "TIDEGAUGE_KUBECONFIG": "/x"}
    settings = parse_settings(["--port", "9001"], environment)
    assert (settings.port, settings.namespaces, settings.kubeconfig) == (9001, ("a", "b"), Path("/x"))
