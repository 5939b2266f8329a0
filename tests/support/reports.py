"""Report documents as an aggregator gives them, and a server on loopback that gives them."""

import json
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.stub_server import run_server

from tidegauge.protocol.names import Extent, Severity, Verdict
from tidegauge.report.model import Baseline, Coverage, FeatureReport, PodReport, Report


def a_report(
    verdict: Verdict = Verdict.STABLE,
    drifting: tuple[tuple[str, Severity, float], ...] = (),
    *,
    heard: int = 3,
    expected: int | None = 3,
    rows_ratio: float | None = 1.0,
    recent: tuple[int, int] = (1000, 0),
    stale: bool = False,
    rows: int = 18421,
    unknown_features: tuple[str, ...] = (),
) -> Report:
    """A report; `drifting` names features with severity and lower bound, `recent` rows counted and lost."""
    features = [
        FeatureReport(
            name=name,
            kind="numeric",
            verdict=Verdict.DRIFTING,
            severity=severity,
            detected=True,
            statistic=lower + 0.04,
            lower=lower,
            window=16,
            window_seconds=160.0,
            window_rows=rows,
            since=179_000_000,
        )
        for name, severity, lower in drifting
    ]
    features.append(FeatureReport(name="rooms", kind="numeric", verdict=Verdict.STABLE))
    judged, severity, since = Report.judge(features, stale=stale)
    return Report(
        verdict=judged if drifting else verdict,
        severity=severity,
        since=since,
        pane=179_000_100,
        pane_seconds=10.0,
        rows=rows,
        profile="sha256:abc",
        features={f.name: f for f in features},
        baseline=Baseline(state="ready", seconds=3600.0, of_seconds=3600.0),
        stale=stale,
        model="house-prices",
        policy={"unknown_features": list(unknown_features)},
        coverage=Coverage(
            pods_heard=heard,
            pods_expected=expected,
            rows_counted=rows,
            rows_ratio=rows_ratio,
            recent_rows_counted=recent[0],
            recent_rows_lost=recent[1],
        ),
    )


DRIFTING = a_report(drifting=(("sqft", Severity.CRITICAL, 0.17), ("age", Severity.WARNING, 0.06)))


def in_pods(
    report: Report, feature: str, extent: Extent | None, *pods: str, statistic: float = 0.6
) -> Report:
    """The report with these pods named for a feature, each one's figures a little less than the last."""
    named = [
        PodReport(
            pod=pod, instance=f"log-{pod}", statistic=statistic - i / 100, lower=statistic - 0.1, rows=600
        )
        for i, pod in enumerate(pods)
    ]
    located = replace(report.features[feature], extent=extent, pods=tuple(named))
    return replace(report, features=dict(report.features) | {feature: located})


class ReportServer:
    """Answers ``/v1/report`` with `document`, or with 404 while there is none."""

    def __init__(self) -> None:
        self.document: dict[str, Any] | None = None
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = json.dumps(
                    outer.document or {"error": "no such model", "reason": "model_unknown"}
                ).encode()
                self.send_response(404 if outer.document is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._running = ExitStack()
        self._running.enter_context(run_server(self._server))

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def say(self, report: Report) -> None:
        """Give this report from now on."""
        self.document = report.to_dict()

    def stop(self) -> None:
        """End it; those who ask are refused."""
        self._running.close()
