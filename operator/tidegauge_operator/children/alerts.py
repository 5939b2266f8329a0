"""The alerts of one model. Each has a page in `docs/runbooks/` named after it.

The aggregator decides what is drift, by `spec.drift`. All other limits are in
`spec.monitoring.prometheusRule.thresholds`.
"""

from typing import Any, Final, NamedTuple

from tidegauge.protocol.names import PREDICTION, Metric
from tidegauge.resource import DriftMonitoredModel
from tidegauge.resource.monitoring import AlertThresholds
from tidegauge_operator.children.labels import aggregator_name

__all__ = ["Alert", "alerts"]

THRESHOLDS: Final = "spec.monitoring.prometheusRule.thresholds"
SCHEMA_REASONS: Final = (
    "missing_feature",
    "unknown_feature",
    "missing_value",
    "not_finite",
    "wrong_type",
    "wrong_shape",
    "out_of_range",
)
PROFILE_REASONS: Final = ("profile_mismatch", "not_this_profile", "not_a_profile", "too_few_features")


class Alert(NamedTuple):
    """One alerting rule; `holds` is how long the expression must hold first."""

    name: str
    severity: str
    expression: str
    holds: str
    summary: str
    description: str

    def to_dict(self, model: DriftMonitoredModel, docs_url: str) -> dict[str, Any]:
        """Return the alert as an entry of a group's ``rules``."""
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": self.holds,
            "labels": {
                "severity": self.severity,
                "namespace": model.metadata.namespace,
                "model": model.metadata.name,
            },
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                **_runbook(self.name, docs_url),
            },
        }


def _runbook(alert: str, docs_url: str) -> dict[str, str]:
    """Return the page of an alert: a link, or its path where no address of the documentation is set."""
    page = f"runbooks/{alert}.md"
    return {"runbook_url": f"{docs_url.rstrip('/')}/{page}"} if docs_url else {"runbook": f"docs/{page}"}


def alerts(model: DriftMonitoredModel) -> list[Alert]:
    """Return all alerts of a model; those on silence only while it should have pods."""
    traffic = [_schema(model), _errors(model), _latency(model)]
    if model.spec.pods > 0:
        traffic.append(_volume(model))
    return [_drift(model), _critical_drift(model), _prediction_drift(model), *_monitoring(model), *traffic]


def _drift(model: DriftMonitoredModel) -> Alert:
    severity = _severity(model)
    return Alert(
        "TidegaugeDataDrift",
        "warning",
        f"count({_by_feature(severity)} == 1) and on () max({severity}) == 1",
        "0m",
        f"Input data of {_name(model)} has drifted.",
        _rows_moved(model, model.spec.drift.min_effect.warning),
    )


def _critical_drift(model: DriftMonitoredModel) -> Alert:
    return Alert(
        "TidegaugeDataDriftCritical",
        "critical",
        f"count({_by_feature(_severity(model))} == 2)",
        "0m",
        f"Input data of {_name(model)} has drifted far.",
        _rows_moved(model, model.spec.drift.min_effect.critical),
    )


def _prediction_drift(model: DriftMonitoredModel) -> Alert:
    predictions = _series(model, Metric.DRIFT_SEVERITY, f'feature="{PREDICTION}"')
    return Alert(
        "TidegaugePredictionDrift",
        "warning",
        f"max({predictions}) > 0",
        "0m",
        f"Predictions of {_name(model)} have drifted.",
        "The predictions are distributed differently than on the training data "
        "({{ if eq .Value 2.0 }}critical{{ else }}warning{{ end }}).",
    )


def _rows_moved(model: DriftMonitoredModel, floor: float) -> str:
    """Return how many features are above a floor, which of them moved most, and in which pods."""
    return (
        f"Features of which a share of the rows above {floor:g} has certainly moved (spec.drift.minEffect, "
        f"or the feature's own floor): {{{{ .Value }}}}. Most: {_most_moved(model)}{_pods_moved(model)}."
    )


def _most_moved(model: DriftMonitoredModel) -> str:
    bound = _by_feature(_series(model, Metric.DRIFT_LOWER_BOUND))
    return _list_of(
        f"{bound} and on (feature) {_by_feature(_severity(model))} > 0",
        "{{ .Labels.feature }} (at least {{ .Value | humanizePercentage }})",
    )


def _pods_moved(model: DriftMonitoredModel) -> str:
    """Return the pods with the rows farthest from the reference: a drift may be one pod's alone."""
    statistic = f"max by (feature, pod) ({_series(model, Metric.SIDECAR_POD_STATISTIC)})"
    return _list_of(
        f"{statistic} and on (feature) {_by_feature(_severity(model))} > 0",
        '{{ .Labels.feature }} in {{ .Labels.pod }} (D {{ .Value | printf "%.2f" }})',
        begin="; single pods: ",
    )


def _list_of(query: str, entry: str, begin: str = "") -> str:
    """Return a template of the three largest of a query, largest first; empty where there are none."""
    between = f"{{{{ if $place }}}}, {{{{ else }}}}{begin}{{{{ end }}}}"
    loop = f"{{{{ range $place, $found := query `sort_desc(topk(3, {query}))` }}}}"
    return f"{loop}{between}{entry}{{{{ end }}}}"


def _severity(model: DriftMonitoredModel) -> str:
    """Return the features' severities; the predictions have an alert of their own."""
    return _series(model, Metric.DRIFT_SEVERITY, f'feature!~"|{PREDICTION}"')


def _by_feature(series: str) -> str:
    return f"max by (feature) ({series})"


def _monitoring(model: DriftMonitoredModel) -> list[Alert]:
    found = [_dropping(model), _mismatch(model)]
    return [_stale(model), _coverage(model), *found] if model.spec.pods > 0 else found


def _stale(model: DriftMonitoredModel) -> Alert:
    age, replicas = _series(model, Metric.NEWEST_PANE_AGE), model.spec.aggregator.replicas
    seconds = _thresholds(model).stale_seconds
    return Alert(
        "TidegaugeMonitoringStale",
        "warning",
        f"max({age}) > {seconds} or (count({age}) or vector(0)) < {replicas}",
        "10m",
        f"Drift of {_name(model)} is unknown: no panes arrive.",
        f"No pane has come for more than {seconds} s ({THRESHOLDS}.staleAfter), or an aggregator's metrics "
        "are missing. Silence is not stability: from 5 minutes on the verdict is Unknown.",
    )


def _coverage(model: DriftMonitoredModel) -> Alert:
    limits, pods = _thresholds(model), _series(model, Metric.COVERAGE_PODS)
    counted = _increase(_series(model, Metric.AGGREGATOR_ROWS), "30m")
    lost = _increase(_series(model, Metric.AGGREGATOR_ROWS_LOST), "30m")
    return Alert(
        "TidegaugeCoverageLow",
        "warning",
        f"min({pods}) < {limits.pod_coverage} or {lost} / ({counted} + {lost}) > {limits.rows_lost}",
        "15m",
        f"Part of the traffic of {_name(model)} is not counted.",
        f"Fewer than {_percent(limits.pod_coverage)} of the pods send panes ({THRESHOLDS}.podCoverage), or "
        f"more than {_percent(limits.rows_lost)} of the rows of the last 30 minutes were lost "
        f"({THRESHOLDS}.rowsLost). The verdict uses the rest.",
    )


def _dropping(model: DriftMonitoredModel) -> Alert:
    dropped = _series(model, Metric.CAPTURE_ROWS, 'outcome="dropped"')
    return Alert(
        "TidegaugeCaptureDropping",
        "warning",
        f"{_increase(dropped, '10m')} > 0",
        "0m",
        f"Rows of {_name(model)} are answered but not captured.",
        "{{ .Value | humanize }} rows in 10 minutes found no room in the log "
        f"(spec.drift.capture.logSize: {model.spec.drift.capture.log_size}). Requests are not affected.",
    )


def _mismatch(model: DriftMonitoredModel) -> Alert:
    refused = _labelled(
        Metric.AGGREGATOR_REFUSED,
        f'namespace="{model.metadata.namespace}"',
        f'service="{aggregator_name(model)}"',
        f'reason=~"{"|".join(PROFILE_REASONS)}"',
    )
    corrupt = _series(model, Metric.SIDECAR_ROWS_LOST, 'reason="corrupt"')
    return Alert(
        "TidegaugeProfileMismatch",
        "warning",
        f"{_increase(refused, '10m')} > 0 or {_increase(corrupt, '10m')} > 0",
        "0m",
        f"Counts of {_name(model)} do not fit its reference profile.",
        "Panes, profiles or rows were refused in the last 10 minutes, because they are of another profile.",
    )


def _schema(model: DriftMonitoredModel) -> Alert:
    refused = _series(model, Metric.SERVING_ERRORS, f'reason=~"{"|".join(SCHEMA_REASONS)}"')
    return Alert(
        "TidegaugeSchemaViolations",
        "warning",
        f"{_share_of_requests(model, refused)} > {_thresholds(model).schema_violations}",
        "5m",
        f"Clients send {_name(model)} requests that it refuses.",
        "{{ .Value | humanizePercentage }} of the requests have missing, unknown or wrong features, more "
        f"than {_percent(_thresholds(model).schema_violations)} ({THRESHOLDS}.schemaViolations).",
    )


def _errors(model: DriftMonitoredModel) -> Alert:
    failed = _series(model, Metric.SERVING_REQUESTS, 'code=~"5.."')
    return Alert(
        "TidegaugeErrorRateHigh",
        "critical",
        f"{_share_of_requests(model, failed)} > {_thresholds(model).error_rate}",
        "5m",
        f"{_name(model)} fails to answer.",
        "{{ .Value | humanizePercentage }} of the requests are answered with a 5xx status, more than "
        f"{_percent(_thresholds(model).error_rate)} ({THRESHOLDS}.errorRate).",
    )


def _latency(model: DriftMonitoredModel) -> Alert:
    buckets = _series(model, Metric.SERVING_REQUEST_SECONDS, suffix="_bucket")
    seconds = _thresholds(model).latency_seconds
    return Alert(
        "TidegaugeLatencyHigh",
        "warning",
        f"histogram_quantile(0.99, sum by (le) (rate({buckets}[5m]))) > {seconds}",
        "10m",
        f"{_name(model)} answers slowly.",
        "One request in a hundred takes longer than {{ .Value | humanizeDuration }} in the server, "
        f"more than {seconds:g} s ({THRESHOLDS}.latencySeconds).",
    )


def _volume(model: DriftMonitoredModel) -> Alert:
    requests = _series(model, Metric.SERVING_REQUESTS)
    now = f"(sum(rate({requests}[1h])) or vector(0))"
    share = _thresholds(model).request_volume
    before = f"{share} * sum(rate({requests}[1h] offset %s))"
    return Alert(
        "TidegaugeLowRequestVolume",
        "info",
        f"{now} < {before % '1d'} unless {now} >= {before % '1w'}",
        "30m",
        f"{_name(model)} gets far fewer requests than usual.",
        f"Less than {_percent(share)} ({THRESHOLDS}.requestVolume) of the requests of the same hour "
        "yesterday, and of a week ago.",
    )


def _thresholds(model: DriftMonitoredModel) -> AlertThresholds:
    return model.spec.monitoring.prometheus_rule.thresholds


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def _name(model: DriftMonitoredModel) -> str:
    return f"{model.metadata.namespace}/{model.metadata.name}"


def _share_of_requests(model: DriftMonitoredModel, series: str) -> str:
    requests = _series(model, Metric.SERVING_REQUESTS)
    return f"sum(rate({series}[5m])) / sum(rate({requests}[5m]))"


def _increase(series: str, over: str) -> str:
    return f"sum(increase({series}[{over}]))"


def _series(model: DriftMonitoredModel, metric: Metric, *matchers: str, suffix: str = "") -> str:
    """Return a selector of one model's series."""
    own = (f'namespace="{model.metadata.namespace}"', f'model="{model.metadata.name}"')
    return _labelled(metric, *own, *matchers, suffix=suffix)


def _labelled(metric: Metric, *matchers: str, suffix: str = "") -> str:
    return f"{metric.value}{suffix}{{{', '.join(matchers)}}}"
