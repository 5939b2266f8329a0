"""A resource gives its programs the same settings in a cluster and in a local stack."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.golden_plan import plan_inputs, resource
from tidegauge_aggregator.settings import parse_settings as aggregator_settings
from tidegauge_operator.children.plan import plan
from tidegauge_operator.settings import parse_settings
from tidegauge_serving.settings import parse_settings as serving_settings
from tidegauge_sidecar.settings import parse_settings as sidecar_settings

from tidegauge.local.plan import Layout, programs
from tidegauge.local.supervisor import Role
from tidegauge.protocol.names import Env
from tidegauge.resource import DriftMonitoredModel
from tidegauge.resource.environment import aggregator_config

# What differs by nature: where a program listens and what it reads, the pod, the stack, the way to fail.
PLACES = {
    *("BUNDLE", "LOG_DIR", "PROFILE", "DATA_DIR", "CONFIG", "TOKEN_FILE", "AGGREGATOR_URLS"),
    *("HOST", "PORT", "SHARD", "POD", "STACK", "PANE_SECONDS", "EXIT_ON_ERROR", "LOG_FORMAT"),
}


def in_cluster(of: DriftMonitoredModel, **held: Any) -> dict[Role, dict[str, Any]]:
    found = {}
    for document in plan(of, plan_inputs(**held)):
        pod = document["spec"]["template"]["spec"] if "template" in document.get("spec", {}) else {}
        for container in [*pod.get("initContainers", ()), *pod.get("containers", ())]:
            role = {"model": Role.SERVER, "drift-sidecar": Role.SIDECAR, "aggregator": Role.AGGREGATOR}.get(
                container["name"]
            )
            if role is not None:
                found[role] = {each["name"]: each.get("value") for each in container["env"]}
    return found


def on_this_machine(of: DriftMonitoredModel, folder: Path) -> dict[Role, dict[str, Any]]:
    layout = Layout(folder, folder / "bundle", folder / "profile.json", (1,), (2,), (3,), 9, 80)
    return {program.role: dict(program.environment) for program in programs(of, layout)}


def decided(variables: dict[str, Any]) -> dict[str, Any]:
    """The variables that the resource decides; an empty one is as good as none."""
    names = {name: name.removeprefix("TIDEGAUGE_") for name in variables if name.startswith("TIDEGAUGE_")}
    return {name: variables[name] for name, short in names.items() if short not in PLACES and variables[name]}


@pytest.mark.parametrize("case", ["smallest", "everything"])
@pytest.mark.parametrize("role", list(Role))
def test_each_program_gets_the_same_settings_in_both_places(case: str, role: Role, tmp_path: Path) -> None:
    of = resource(case)
    there, here = decided(in_cluster(of)[role]), decided(on_this_machine(of, tmp_path)[role])
    assert {name: value.replace("$$", "$") for name, value in there.items()} == here
    assert here


@pytest.mark.parametrize("case", ["smallest", "everything"])
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_each_program_logs_in_the_operators_format(case: str, log_format: str) -> None:
    settings = parse_settings([], {Env.LOG_FORMAT: log_format})
    variables = in_cluster(resource(case), log_format=settings.log_format)
    assert {role: each[Env.LOG_FORMAT] for role, each in variables.items()} == dict.fromkeys(Role, log_format)
    read = {
        Role.SERVER: serving_settings,
        Role.SIDECAR: sidecar_settings,
        Role.AGGREGATOR: aggregator_settings,
    }
    for role, parse in read.items():
        environment = {name: value or "a-pod" for name, value in variables[role].items()}
        environment |= {Env.SHARD: "0/1"} if role is Role.AGGREGATOR else {}
        assert parse([], environment).log_format == log_format


def test_the_aggregators_configuration_is_the_same_document() -> None:
    of = resource("everything")
    (config,) = (
        document for document in plan(of, plan_inputs()) if "config.json" in document.get("data", {})
    )
    there = json.loads(config["data"]["config.json"])
    pods = there["models"][of.metadata.name]["expected_pods"]
    assert there == aggregator_config(of, pods)
