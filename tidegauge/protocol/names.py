"""The names every program shares: ports, environment, metrics, labels, paths, schema versions.

Standard library only, so that each program may import it without importing what it does not run.
A name that two programs must agree on is here once; a name only one program knows stays with it,
except metric and environment names, which users see and `docs/` must list.
"""

from enum import IntEnum, StrEnum
from typing import Final

# --- schema versions ---------------------------------------------------------------------------------
API_GROUP: Final = "tidegauge.io"
API_VERSION: Final = "tidegauge.io/v1alpha1"
RESOURCE_KIND: Final = "DriftMonitoredModel"
PROFILE_SCHEMA: Final = "tidegauge.io/profile/v1"
BUNDLE_SCHEMA: Final = "tidegauge.io/bundle/v1"
REPORT_SCHEMA: Final = "tidegauge.io/report/v1"

# --- ports -------------------------------------------------------------------------------------------
SERVING_PORT: Final = 8080
SIDECAR_PORT: Final = 8081
AGGREGATOR_PORT: Final = 8090

# --- time --------------------------------------------------------------------------------------------
PANE_SECONDS: Final = 10

# --- the prediction as one more feature --------------------------------------------------------------
PREDICTION: Final = "prediction"

# --- files of a bundle -------------------------------------------------------------------------------
MANIFEST_FILE: Final = "manifest.json"
PROFILE_FILE: Final = "profile.json"

# --- where a pod mounts the claim of a pvc:// bundle ---------------------------------------------------
PVC_MOUNT: Final = "/mnt/pvc"


class Verdict(StrEnum):
    """The verdict on one feature or on the model. Silence is `UNKNOWN`, never `STABLE`."""

    LEARNING = "Learning"
    STABLE = "Stable"
    DRIFTING = "Drifting"
    UNKNOWN = "Unknown"


class Severity(StrEnum):
    """How far a drifting feature has moved, by the policy's two effect floors."""

    WARNING = "warning"
    CRITICAL = "critical"


class Extent(StrEnum):
    """The pods that a feature's drift covers, if that is certain."""

    CONFINED = "confined"  # to the pods named, while the others together show none of it
    EVERYWHERE = "everywhere"  # every pod with rows shows it by itself


class Lost(StrEnum):
    """Why a row that was answered is not in the counts; the label `reason` of the `lost` metrics."""

    FULL = "full"  # the log's budget was used up, the server answered and did not append
    CORRUPT = "corrupt"  # the log held bytes that were not a frame
    REFUSED = "refused"  # the aggregator refused the pane for good
    STORE = "store"  # counted by an aggregator whose disk is gone


class Exit(IntEnum):
    """Exit codes by which the operator tells what is wrong; the last line of the log says it in words."""

    BUNDLE = 65  # the bundle is not what it says, or may not be loaded (EX_DATAERR of sysexits.h)
    STORAGE = 69  # the bundle cannot be read from its address (EX_UNAVAILABLE)


class Env(StrEnum):
    """Environment variables, each also a flag of its program; `docs/settings.md` describes them."""

    # shared by several programs
    MODEL = "TIDEGAUGE_MODEL"
    BUNDLE = "TIDEGAUGE_BUNDLE"
    LOG_DIR = "TIDEGAUGE_LOG_DIR"
    LOG_BYTES = "TIDEGAUGE_LOG_BYTES"
    TOKEN_FILE = "TIDEGAUGE_TOKEN_FILE"
    HOST = "TIDEGAUGE_HOST"
    PORT = "TIDEGAUGE_PORT"
    LOG_LEVEL = "TIDEGAUGE_LOG_LEVEL"
    LOG_FORMAT = "TIDEGAUGE_LOG_FORMAT"
    STACK = "TIDEGAUGE_STACK"
    # serving
    ALLOW_PICKLE = "TIDEGAUGE_ALLOW_PICKLE"
    TRUSTED_TYPES = "TIDEGAUGE_TRUSTED_TYPES"
    ROW_SCORE_THRESHOLD = "TIDEGAUGE_ROW_SCORE_THRESHOLD"
    SAMPLE_RATE = "TIDEGAUGE_SAMPLE_RATE"
    BATCH_ROWS = "TIDEGAUGE_BATCH_ROWS"
    BATCH_WAIT_SECONDS = "TIDEGAUGE_BATCH_WAIT_SECONDS"
    MAX_BODY_BYTES = "TIDEGAUGE_MAX_BODY_BYTES"
    CORS_ORIGINS = "TIDEGAUGE_CORS_ORIGINS"
    REQUEST_LOG = "TIDEGAUGE_REQUEST_LOG"
    DRAIN_SECONDS = "TIDEGAUGE_DRAIN_SECONDS"
    EXIT_ON_ERROR = "TIDEGAUGE_EXIT_ON_ERROR"
    # storage initializer; no flag, for it is a secret
    STORAGE_AUTHORIZATION = "TIDEGAUGE_STORAGE_AUTHORIZATION"
    # drift sidecar
    AGGREGATOR_URLS = "TIDEGAUGE_AGGREGATOR_URLS"
    POD = "TIDEGAUGE_POD"
    PROFILE = "TIDEGAUGE_PROFILE"
    PANE_SECONDS = "TIDEGAUGE_PANE_SECONDS"
    # aggregator
    DATA_DIR = "TIDEGAUGE_DATA_DIR"
    CONFIG = "TIDEGAUGE_CONFIG"
    SHARD = "TIDEGAUGE_SHARD"
    RETENTION_SECONDS = "TIDEGAUGE_RETENTION_SECONDS"
    # operator
    NAMESPACES = "TIDEGAUGE_NAMESPACES"
    KUBECONFIG = "TIDEGAUGE_KUBECONFIG"
    SERVING_IMAGE = "TIDEGAUGE_SERVING_IMAGE"
    SIDECAR_IMAGE = "TIDEGAUGE_SIDECAR_IMAGE"
    AGGREGATOR_IMAGE = "TIDEGAUGE_AGGREGATOR_IMAGE"
    PULL_SECRETS = "TIDEGAUGE_PULL_SECRETS"
    REPORT_SECONDS = "TIDEGAUGE_REPORT_SECONDS"
    DOCS_URL = "TIDEGAUGE_DOCS_URL"


class Metric(StrEnum):
    """Prometheus metric names; `docs/metrics.md` gives type, labels and meaning of each."""

    # serving
    SERVING_REQUESTS = "tidegauge_serving_requests_total"
    SERVING_ERRORS = "tidegauge_serving_errors_total"
    SERVING_REQUEST_SECONDS = "tidegauge_serving_request_seconds"
    SERVING_ROWS = "tidegauge_serving_rows_total"
    SERVING_PREDICTION = "tidegauge_serving_prediction"
    SERVING_ROW_SCORE = "tidegauge_serving_row_score"
    SERVING_HIGH_SCORE_ROWS = "tidegauge_serving_high_score_rows_total"
    SERVING_READY = "tidegauge_serving_ready"
    CAPTURE_ROWS = "tidegauge_capture_rows_total"
    CAPTURE_LOG_BYTES = "tidegauge_capture_log_bytes"
    # drift sidecar
    SIDECAR_ROWS = "tidegauge_sidecar_rows_total"
    SIDECAR_ROWS_LOST = "tidegauge_sidecar_rows_lost_total"
    SIDECAR_PANES = "tidegauge_sidecar_panes_total"
    SIDECAR_SEND_SECONDS = "tidegauge_sidecar_send_seconds"
    SIDECAR_SPOOL_PANES = "tidegauge_sidecar_spool_panes"
    SIDECAR_SPOOL_BYTES = "tidegauge_sidecar_spool_bytes"
    SIDECAR_LAG_SECONDS = "tidegauge_sidecar_lag_seconds"
    SIDECAR_CORRUPT_BYTES = "tidegauge_sidecar_corrupt_bytes_total"
    SIDECAR_POD_STATISTIC = "tidegauge_sidecar_pod_statistic"
    SIDECAR_POD_ROWS = "tidegauge_sidecar_pod_window_rows"
    # aggregator
    DRIFT_VERDICT = "tidegauge_drift_verdict"
    DRIFT_SEVERITY = "tidegauge_drift_severity"
    DRIFT_FEATURES = "tidegauge_drift_drifting_features"
    DRIFT_STATISTIC = "tidegauge_drift_statistic"
    DRIFT_LOWER_BOUND = "tidegauge_drift_lower_bound"
    DRIFT_PVALUE = "tidegauge_drift_pvalue"
    DRIFT_WINDOW_ROWS = "tidegauge_drift_window_rows"
    DRIFT_MISSING_RATIO = "tidegauge_drift_missing_ratio"
    DRIFT_DESIGN_EFFECT = "tidegauge_drift_design_effect"
    COVERAGE_PODS = "tidegauge_coverage_pods_ratio"
    COVERAGE_ROWS = "tidegauge_coverage_rows_ratio"
    NEWEST_PANE_AGE = "tidegauge_newest_pane_age_seconds"
    NEWEST_ROWS_AGE = "tidegauge_newest_rows_age_seconds"
    AGGREGATOR_ROWS = "tidegauge_aggregator_rows_total"
    AGGREGATOR_ROWS_LOST = "tidegauge_aggregator_rows_lost_total"
    AGGREGATOR_PANES = "tidegauge_aggregator_panes_total"
    AGGREGATOR_REFUSED = "tidegauge_aggregator_refused_total"
    AGGREGATOR_EVALUATION_SECONDS = "tidegauge_aggregator_evaluation_seconds"
    AGGREGATOR_STORE_SECONDS = "tidegauge_aggregator_store_seconds"
    AGGREGATOR_STORE_BYTES = "tidegauge_aggregator_store_bytes"
    # operator
    OPERATOR_QUEUE_DEPTH = "tidegauge_operator_queue_depth"
    OPERATOR_RECONCILE_SECONDS = "tidegauge_operator_reconcile_seconds"
    OPERATOR_ERRORS = "tidegauge_operator_errors_total"
    OPERATOR_CLOSED_WATCHES = "tidegauge_operator_closed_watches"
    OPERATOR_MODELS = "tidegauge_operator_models"


def pane_path(model: str, profile_hash: str, pane: int, instance: str) -> str:
    """Return path of one pane on the aggregator: a fact's name, so sending it twice names the same fact."""
    return f"{profile_path(model, profile_hash)}/panes/{pane}/{instance}"


def profile_path(model: str, profile_hash: str) -> str:
    """Return path under which the aggregator takes and returns one profile document."""
    return f"/v1/models/{model}/profiles/{profile_hash}"
