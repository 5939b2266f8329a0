"""The operator's settings."""

from pathlib import Path

from tidegauge_operator.settings import parse_settings

from tidegauge.__about__ import __version__


def test_without_settings_it_serves_all_namespaces_of_the_cluster_it_runs_in() -> None:
    settings = parse_settings([], {})
    assert (settings.namespaces, settings.kubeconfig, settings.port) == ((), None, 8082)


def test_images_have_short_names_until_a_registry_is_named() -> None:
    settings = parse_settings(
        ["--pull-secrets", "one,two"], {"TIDEGAUGE_SERVING_IMAGE": "example.com/serving:7"}
    )
    assert settings.images.serving == "example.com/serving:7"
    assert settings.images.sidecar == f"tidegauge/drift-sidecar:{__version__}"
    assert settings.images.pull_secrets == ("one", "two")


def test_a_flag_wins_over_the_environment() -> None:
    environment = {"TIDEGAUGE_PORT": "9000", "TIDEGAUGE_NAMESPACES": "a,b", "TIDEGAUGE_KUBECONFIG": "/x"}
    settings = parse_settings(["--port", "9001"], environment)
    assert (settings.port, settings.namespaces, settings.kubeconfig) == (9001, ("a", "b"), Path("/x"))
