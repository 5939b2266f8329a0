"""Flags and environment of the sidecar."""

from pathlib import Path

import pytest
from tidegauge_sidecar.settings import parse_settings

from tidegauge.protocol.names import Env

NEEDED = {
    Env.LOG_DIR: "/var/log/capture",
    Env.PROFILE: "/models/profile.json",
    Env.MODEL: "house-prices",
    Env.AGGREGATOR_URLS: "http://one:8090, https://two:8090/",
}


def environment(**more: str) -> dict[str, str]:
    return {str(name): value for name, value in {**NEEDED, **more}.items()}


def test_settings_come_from_the_environment() -> None:
    settings = parse_settings([], environment())
    assert settings.log_dir == Path("/var/log/capture")
    assert settings.aggregator_urls == ("http://one:8090", "https://two:8090/")
    assert (settings.pane_seconds, settings.port, settings.token_file) == (10, 8081, None)
    assert (settings.host, settings.log_level, settings.pod) == ("0.0.0.0", "info", "")


def test_a_flag_wins_over_the_environment() -> None:
    settings = parse_settings(["--model", "flights", "--port", "0"], environment(TIDEGAUGE_TOKEN_FILE="/t"))
    assert (settings.model, settings.port, settings.token_file) == ("flights", 0, Path("/t"))


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        (Env.AGGREGATOR_URLS, "aggregator:8090", "must start with http:// or https://"),
        (Env.AGGREGATOR_URLS, ",", "name at least one address"),
        (Env.MODEL, "House Prices", "must be a lower-case DNS name"),
        (Env.POD, "two\nlines", "at most 253 printable characters"),
        (Env.PANE_SECONDS, "0", "a whole number from 1 to 86400"),
        (Env.PANE_SECONDS, "ten", "a whole number from 1 to 86400"),
        (Env.PORT, "70000", "a whole number from 0 to 65535"),
        (Env.LOG_LEVEL, "loud", "must be debug, info, warning or error"),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(
    name: str, value: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_settings([], environment(**{name: value}))
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("name", list(NEEDED))
def test_a_missing_setting_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = environment()
    del given[name]
    with pytest.raises(SystemExit):
        parse_settings([], given)
    assert f"({name}) is needed" in capsys.readouterr().err
