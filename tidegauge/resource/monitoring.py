"""Objects for Prometheus and Grafana: `spec.monitoring`."""

from typing import Annotated, Final

from msgspec import field

from tidegauge.resource.fields import Duration, Labels, Part, Share, says, seconds_of

__all__ = ["AlertThresholds", "Monitored", "MonitoredRule", "Monitoring"]

SLOWEST_SECONDS: Final = 2  # below the last bound of the server's histogram, which knows no quantile above


class Monitored(Part):
    """One object for the Prometheus operator or Grafana."""

    enabled: Annotated[bool, says("Whether the object is made.")] = False
    labels: Annotated[
        Labels, says("Labels of the object, for example those that your Prometheus selects.")
    ] = field(default_factory=dict)


class AlertThresholds(Part):
    """Thresholds of the alerts that are not about drift; those on drift follow spec.drift."""

    stale_after: Annotated[
        Duration,
        says(
            "TidegaugeMonitoringStale: how long ago the newest pane of counts ended; at least 1m. It only "
            "changes the alert: the verdict is Unknown after 5m."
        ),
    ] = "5m"
    pod_coverage: Annotated[
        Share, says("TidegaugeCoverageLow: fires when fewer than this share of the expected pods are heard.")
    ] = 0.9
    rows_lost: Annotated[
        Share, says("TidegaugeCoverageLow: share of the rows of the last 30 minutes that were not counted.")
    ] = 0.01
    schema_violations: Annotated[
        Share,
        says(
            "TidegaugeSchemaViolations: share of the requests that have missing, unknown or wrong features."
        ),
    ] = 0.01
    error_rate: Annotated[
        Share, says("TidegaugeErrorRateHigh: share of the requests that are answered with a 5xx status.")
    ] = 0.05
    latency_seconds: Annotated[
        float,
        says(
            "TidegaugeLatencyHigh: the p99 in the server, in seconds: one request in a hundred takes longer. "
            "It is interpolated between the bounds of a histogram (among them 0.01, 0.025, 0.05, 0.1, 0.25, "
            "0.5, 1 and 2.5). A bound is exact. Values above 2.5 are not distinguished.",
            gt=0,
            le=SLOWEST_SECONDS,
        ),
    ] = 0.5
    request_volume: Annotated[
        Share,
        says(
            "TidegaugeLowRequestVolume: requests of the last hour as a share of those in the same hour "
            "yesterday and a week ago. Use 0 for a model that may be idle."
        ),
    ] = 0.1

    @property
    def stale_seconds(self) -> int:
        """The age of the newest pane, in seconds."""
        return seconds_of(self.stale_after)


class MonitoredRule(Monitored):
    """The PrometheusRule."""

    thresholds: Annotated[
        AlertThresholds,
        says("Thresholds of the alerts that are not about drift; those on drift follow spec.drift."),
    ] = field(default_factory=AlertThresholds)


class Monitoring(Part):
    """Objects for Prometheus and Grafana."""

    service_monitor: Annotated[
        Monitored, says("A ServiceMonitor, so that Prometheus scrapes the metrics.")
    ] = field(default_factory=Monitored)
    prometheus_rule: Annotated[MonitoredRule, says("A PrometheusRule with the alerts.")] = field(
        default_factory=MonitoredRule
    )
    dashboard: Annotated[
        Monitored, says("A ConfigMap with the dashboard, as Grafana's sidecar reads it.")
    ] = field(default_factory=Monitored)
