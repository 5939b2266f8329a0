"""The config file: policies and expected pods by model. Read again when it changes (`docs/aggregator.md`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tidegauge.errors import PolicyError, ResourceError
from tidegauge.monitor.policy import Policy
from tidegauge.nearest import or_nearest
from tidegauge.telling import found, told

__all__ = ["Config", "ModelConfig", "parse_config"]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The configuration of one model.

    Parameters
    ----------
    policy
        Its alarm policy.
    expected_pods
        How many pods it should have; None where nobody said.
    """

    policy: Policy = field(default_factory=Policy)
    expected_pods: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The whole config file; `model` gives a model that is not named the default policy."""

    models: Mapping[str, ModelConfig] = field(default_factory=dict)
    default_policy: Policy = field(default_factory=Policy)

    def model(self, name: str) -> ModelConfig:
        """Return the configuration of a model."""
        return self.models.get(name) or ModelConfig(self.default_policy)


def parse_config(data: bytes) -> Config:
    """Read the config file's bytes.

    Raises
    ------
    ResourceError, PolicyError
        A field is unknown or breaks its rule; the message names it.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ResourceError(f"the config file is not JSON: {error}") from error
    top = _object(document, "the config file", {"models", "default_policy"})
    default = _policy(top.get("default_policy", {}), "default_policy", Policy())
    models = _object(top.get("models", {}), "models", None)
    return Config({name: _model(value, f"models.{name}", default) for name, value in models.items()}, default)


def _model(value: Any, where: str, default: Policy) -> ModelConfig:
    given = _object(value, where, {"policy", "expected_pods"})
    pods = given.get("expected_pods")
    if pods is not None and (type(pods) is not int or pods < 0):
        said = found(f"{where}.expected_pods", pods, f"{where}.expected_pods is {told(pods)}")
        raise ResourceError("it must be a whole number from 0 on", argument=said)
    return ModelConfig(_policy(given.get("policy", {}), f"{where}.policy", default), pods)


def _policy(value: Any, where: str, default: Policy) -> Policy:
    """A policy; what it leaves out is as in the default policy."""
    names = {item.name for item in fields(Policy)}
    given = _object(value, where, names)
    try:
        return Policy(**{name: getattr(default, name) for name in names} | given)
    except PolicyError as error:
        raise error.located(where) from error


def _object(value: Any, where: str, names: set[str] | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ResourceError("it must be an object", argument=found(where, value, f"{where} is {told(value)}"))
    unknown = sorted(set(value) - names) if names is not None else []
    if unknown:
        near = or_nearest(unknown[0], sorted(names or ()))
        said = found(f"{where}.{unknown[0]}", value[unknown[0]], f"{where} has {unknown[0]!r}")
        raise ResourceError("it is no field of it", argument=said, step=near)
    return value
