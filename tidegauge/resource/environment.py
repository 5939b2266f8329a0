"""From a resource to the settings of its programs: the same in a cluster and in a local stack.

The caller adds what only it knows: the address to listen on, the pod's name, the stack's id.
"""

from collections.abc import Sequence
from typing import Any

from tidegauge.protocol.names import Env
from tidegauge.resource.policy import policy_of
from tidegauge.resource.schema import DriftMonitoredModel

__all__ = ["aggregator_config", "aggregator_environment", "server_environment", "sidecar_environment"]

Place = object  # a path or an address, as text or as `Path`


def server_environment(
    resource: DriftMonitoredModel, *, bundle: Place, log_folder: Place, port: int
) -> dict[Env, str]:
    """Return the model server's variables; an empty one is as good as none."""
    model, capture = resource.spec.model, resource.spec.drift.capture
    return _texts(
        {
            Env.BUNDLE: bundle,
            Env.MODEL: resource.metadata.name,
            Env.PORT: port,
            Env.LOG_DIR: log_folder,
            Env.LOG_BYTES: capture.log_bytes,
            Env.SAMPLE_RATE: capture.sample_rate,
            Env.ROW_SCORE_THRESHOLD: resource.spec.drift.row_score_threshold,
            Env.ALLOW_PICKLE: str(model.allow_pickle).lower(),
            Env.TRUSTED_TYPES: ",".join(model.trusted_types),
            Env.REQUEST_LOG: str(model.request_log).lower(),
            Env.CORS_ORIGINS: ",".join(model.cors_origins),
        }
    )


def sidecar_environment(
    resource: DriftMonitoredModel,
    *,
    log_folder: Place,
    profile: Place,
    aggregator_urls: Sequence[str],
    token_file: Place,
    port: int,
) -> dict[Env, str]:
    """Return the sidecar's variables."""
    return _texts(
        {
            Env.LOG_DIR: log_folder,
            Env.PROFILE: profile,
            Env.MODEL: resource.metadata.name,
            Env.AGGREGATOR_URLS: ",".join(aggregator_urls),
            Env.TOKEN_FILE: token_file,
            Env.PORT: port,
        }
    )


def aggregator_environment(
    resource: DriftMonitoredModel,
    *,
    host: str,
    port: int,
    data_folder: Place,
    config: Place,
    token_file: Place,
    shard: str,
) -> dict[Env, str]:
    """Return the variables of one aggregator; `shard` is ``INDEX/OF``."""
    return _texts(
        {
            Env.HOST: host,
            Env.PORT: port,
            Env.DATA_DIR: data_folder,
            Env.CONFIG: config,
            Env.TOKEN_FILE: token_file,
            Env.SHARD: shard,
            Env.RETENTION_SECONDS: resource.spec.aggregator.retention_seconds,
        }
    )


def aggregator_config(resource: DriftMonitoredModel, pods: int) -> dict[str, Any]:
    """Return the aggregators' configuration file: the policy, and how many pods send counts."""
    return {"models": {resource.metadata.name: {"policy": policy_of(resource), "expected_pods": pods}}}


def _texts(settings: dict[Env, object]) -> dict[Env, str]:
    return {name: str(value) for name, value in settings.items()}
