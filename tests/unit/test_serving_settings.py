"""Settings: a flag beats the environment, the environment beats the default, nonsense is refused."""

import re
from pathlib import Path

import pytest
from tidegauge_serving.settings import parse_settings

from tidegauge.protocol.names import Env
from tidegauge.resource.fields import ORIGIN_PATTERN

EACH = {
    Env.MODEL: ("--model", "other", "model", "other"),
    Env.HOST: ("--host", "127.0.0.1", "host", "127.0.0.1"),
    Env.PORT: ("--port", "0", "port", 0),
    Env.LOG_DIR: ("--log-dir", "/log", "log_dir", Path("/log")),
    Env.LOG_BYTES: ("--log-bytes", "100000", "log_bytes", 100_000),
    Env.SAMPLE_RATE: ("--sample-rate", "0.25", "sample_rate", 0.25),
    Env.ROW_SCORE_THRESHOLD: ("--row-score-threshold", "3", "row_score_threshold", 3.0),
    Env.TRUSTED_TYPES: ("--trusted-types", "a.B, c.D", "trusted_types", frozenset({"a.B", "c.D"})),
    Env.CORS_ORIGINS: (
        "--cors-origins",
        "https://a.example, http://b:8080",
        "cors_origins",
        frozenset({"https://a.example", "http://b:8080"}),
    ),
    Env.BATCH_ROWS: ("--batch-rows", "7", "batch_rows", 7),
    Env.BATCH_WAIT_SECONDS: ("--batch-wait-seconds", "0.5", "batch_wait_seconds", 0.5),
    Env.MAX_BODY_BYTES: ("--max-body-bytes", "1000", "max_body_bytes", 1_000),
    Env.DRAIN_SECONDS: ("--drain-seconds", "0.5", "drain_seconds", 0.5),
    Env.LOG_LEVEL: ("--log-level", "DEBUG", "log_level", "debug"),
}


@pytest.mark.parametrize("env", EACH)
def test_each_setting_comes_from_its_flag_or_its_variable(env: Env) -> None:
    flag, text, name, value = EACH[env]
    default = getattr(parse_settings(["--bundle", "b"], {}), name)
    assert default != value
    assert getattr(parse_settings(["--bundle", "b", flag, text], {}), name) == value
    assert getattr(parse_settings(["--bundle", "b"], {env: text}), name) == value


@pytest.mark.parametrize("env", EACH)
def test_an_empty_variable_counts_as_unset(env: Env) -> None:
    assert parse_settings(["--bundle", "b"], {env: ""}) == parse_settings(["--bundle", "b"], {})


@pytest.mark.parametrize(
    ("env", "flag"), [(Env.ALLOW_PICKLE, "--allow-pickle"), (Env.REQUEST_LOG, "--request-log")]
)
def test_switches_can_be_set_and_unset(env: Env, flag: str) -> None:
    name = flag.strip("-").replace("-", "_")
    assert getattr(parse_settings(["--bundle", "b"], {}), name) is False
    assert getattr(parse_settings(["--bundle", "b", flag], {}), name) is True
    assert getattr(parse_settings(["--bundle", "b"], {env: "true"}), name) is True
    assert getattr(parse_settings(["--bundle", "b", f"--no-{flag[2:]}"], {env: "1"}), name) is False


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ([], {}, Env.BUNDLE),
        (["--bundle", "b", "--port", "99999"], {}, "--port"),
        (["--bundle", "b", "--sample-rate", "2"], {}, "from 0 to 1"),
        (["--bundle", "b"], {Env.LOG_BYTES: "64Mi"}, "TIDEGAUGE_LOG_BYTES '64Mi': it must be a whole number"),
        (["--bundle", "b"], {Env.ALLOW_PICKLE: "maybe"}, Env.ALLOW_PICKLE),
        (["--bundle", "b", "--log-level", "loud"], {}, "loud"),
    ],
)
def test_nonsense_is_refused_by_name(
    arguments: list[str], environment: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_settings(arguments, environment)
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "origin", ["*", "https://a.example", "http://[::1]:8080", "app+x://a_b-c", "HTTPS://a", "a/b"]
)
def test_what_the_resource_takes_for_an_origin_the_server_takes_too(origin: str) -> None:
    allowed = re.fullmatch(ORIGIN_PATTERN, origin) is not None
    arguments = ["--bundle", "b", "--cors-origins", origin]
    if allowed:
        assert parse_settings(arguments, {}).cors_origins == {origin}
    else:
        with pytest.raises(SystemExit):
            parse_settings(arguments, {})
