"""One model on a node, as its users meet it: applied, sent rows, and read off its verdict."""

import concurrent.futures
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from support.controlplane.api import Document
from support.counting_client import CountingClient
from support.examples import EXAMPLES
from support.node.node import Node
from support.serving_bundles import HOUSE_ROW
from support.story_rows import Rows
from support.waiting import wait_for

from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import AGGREGATOR_PORT, SERVING_PORT, SIDECAR_PORT, Verdict
from tidegauge.report.model import Report

EXAMPLE = EXAMPLES / "house-prices"
CLAIM, FOLDER = "bundles", "house-prices-1"  # where the example's file says that its bundle lies
CONNECTIONS = 6

T = TypeVar("T")


def build_example(folder: Path) -> Path:
    """The packed house-prices model, as the example's own script makes it: the bundle's folder.

    It is alone in its own folder, to be a claim's content; the training rows are in ``data`` beside that.
    """
    subprocess.run([sys.executable, str(EXAMPLE / "build.py"), str(folder)], check=True, capture_output=True)
    (folder / "claim").mkdir()
    return (folder / "bundle").rename(folder / "claim" / FOLDER)


class Story:
    """The house-prices example in a namespace, its bundles on a claim.

    Parameters
    ----------
    node
        The cluster, with tidegauge on it.
    namespace
        Where the model is.
    bundles
        By a name of the test's; each lies on the claim under its folder's name.
    """

    name = "house-prices"

    def __init__(self, node: Node, namespace: str, **bundles: Path) -> None:
        self.node, self.namespace, self._bundles = node, namespace, bundles
        self._identity = {
            "apiVersion": "tidegauge.io/v1alpha1",
            "kind": "DriftMonitoredModel",
            "metadata": {"name": self.name, "namespace": namespace},
        }

    def profile(self, bundle: str) -> Profile:
        """The reference profile in a bundle."""
        return Profile.load(self._bundles[bundle] / "profile.json")

    def uri(self, bundle: str) -> str:
        """Where a bundle lies in the cluster."""
        return f"pvc://{CLAIM}/{self._bundles[bundle].name}"

    # --- the resource ----------------------------------------------------------------------------------

    def document(self, bundle: str) -> Document:
        """The example's file, with the address that the bundle has here."""
        found: Document = yaml.safe_load((EXAMPLE / "dmm.yaml").read_text())
        found["spec"]["model"]["storageUri"] = self.uri(bundle)
        found["metadata"]["namespace"] = self.namespace
        return found

    def apply(self, bundle: str, change: Callable[[Document], None] = lambda _: None) -> None:
        """`kubectl apply` of the document, changed before if need be."""
        document = self.document(bundle)
        change(document["spec"])
        self.node.kubectl("apply", "-f", "-", typed=yaml.safe_dump(document))

    def merge(self, **spec: Any) -> None:
        """Change single fields of the spec."""
        self.node.api.merge(self._identity, {"spec": spec})

    def delete(self) -> None:
        self.node.api.delete(self._identity)

    def wait_until(self, condition: str, timeout_seconds: float) -> None:
        """`kubectl wait` for ``Ready``, ``Ready=False`` and the like; all that is known where it fails."""
        try:
            self.kubectl(
                *(
                    "wait",
                    f"--for=condition={condition}",
                    f"dmm/{self.name}",
                    f"--timeout={timeout_seconds:g}s",
                ),
                timeout_seconds=timeout_seconds + 10,
            )
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.told()}") from late

    def wait_for_verdict(self, verdict: Verdict, timeout_seconds: float) -> None:
        """Wait until the status says so."""

        def is_it() -> bool:
            return bool(self.status.get("drift", {}).get("verdict") == verdict)

        self.wait_for(is_it, f"the verdict is {verdict}", timeout_seconds)

    def wait_for(self, holds: Callable[[], T], what: str, timeout_seconds: float = 60) -> T:
        """What holds at last, with all that is known where it does not."""
        try:
            return wait_for(holds, what, timeout_seconds, every=0.3)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.told()}") from late

    def told(self) -> str:
        """What the cluster says, for the one who reads why a test failed."""
        return self.kubectl("get", "pods,dmm,events", check=False) + self.kubectl(
            "get", "dmm", self.name, "-o", "yaml", check=False
        )

    def kubectl(self, *arguments: str, check: bool = True, timeout_seconds: float = 60) -> str:
        """kubectl in the model's namespace."""
        return self.node.kubectl(
            *arguments, "-n", self.namespace, check=check, timeout_seconds=timeout_seconds
        )

    @property
    def status(self) -> Document:
        """The status as it stands."""
        return self.node.api.get(self._identity).get("status", {})

    def condition(self, kind: str) -> Document:
        """One of its conditions; an empty document where it is not there."""
        conditions = self.status.get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), {})

    # --- the pods --------------------------------------------------------------------------------------

    def pods(self, component: str = "model") -> list[Document]:
        """The pods of the model or of its ``aggregator``, by name."""
        which = f"tidegauge.io/model={self.name},app.kubernetes.io/component={component}"
        found = self.node.api.list("v1", "Pod", self.namespace, labelSelector=which)
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def ask(self, pod: str, port: int, path: str, body: Document | None = None) -> Document:
        """A page of a pod, through the API server; what is no JSON is under ``message``."""
        way = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy{path}"
        return self.node.api.request("POST" if body else "GET", way, body)

    def metric(self, pod: str, port: int, name: str) -> dict[str, float]:
        """A metric of a pod: by its labels as they are written, the value."""
        page = self._page(pod, port)
        lines = [line.rpartition(" ") for line in page.splitlines() if line.startswith(name)]
        return {key.removeprefix(name): float(value) for key, _, value in lines}

    def _page(self, pod: str, port: int) -> str:
        way = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy/metrics"
        return self.node.kubectl("get", "--raw", way)

    def pod_statistic(self, pod: str, feature: str) -> float:
        """D of a pod's own last minutes, as its sidecar has it; 0 where it has none yet."""
        found = self.metric(pod, SIDECAR_PORT, "tidegauge_sidecar_pod_statistic")
        return next((value for labels, value in found.items() if f'feature="{feature}"' in labels), 0.0)

    def rows_served(self) -> int:
        """Rows that the pods now standing have answered."""
        name = "tidegauge_serving_rows_total"
        pods = [pod["metadata"]["name"] for pod in self.pods()]
        return int(sum(sum(self.metric(pod, SERVING_PORT, name).values()) for pod in pods))

    def rows_counted_by(self, pod: str) -> int:
        """Rows that a pod's sidecar has counted."""
        return int(sum(self.metric(pod, SIDECAR_PORT, "tidegauge_sidecar_rows_total").values()))

    # --- rows and verdict ------------------------------------------------------------------------------

    def address(self) -> str:
        """Where the model's Service is reached."""
        return self.node.address_of(self.namespace, self.name, 80)

    def send(self, rows: Rows, per_request: int = 20) -> int:
        """Send rows through the Service, each request on a connection of its own; how many were answered."""
        way = f"{self.address()}/v2/models/{self.name}/infer"

        def send_some(some: Rows) -> int:
            answer = httpx.post(way, json=_infer(some), timeout=20)
            assert answer.status_code == 200, answer.text
            return len(answer.json()["outputs"][0]["data"])

        parts = [rows[at : at + per_request] for at in range(0, len(rows), per_request)]
        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            return sum(pool.map(send_some, parts))

    def traffic(self, pause_seconds: float, connections: int = 3) -> CountingClient:
        """Single rows, no two alike for long, over several connections, a new one now and then."""
        image = self.pods()[0]["spec"]["containers"][0]["image"]  # has Python, and is there
        port = self.node.connections_to(self.namespace, self.name, 80, image)

        def body(number: int) -> bytes:
            return json.dumps({"features": {**HOUSE_ROW, "sqft": 1500 + number % 1000}}).encode()

        return CountingClient(port, body, connections=connections, pause=pause_seconds)

    def send_to(self, pod: str, rows: Rows) -> int:
        """Send rows to one pod; how many were answered."""
        answer = self.ask(pod, SERVING_PORT, f"/v2/models/{self.name}/infer", _infer(rows))
        return len(answer["outputs"][0]["data"])

    def report(self) -> Report:
        """The aggregators' report, joined."""
        return Report.join(self.reports())

    def reports(self) -> list[Report]:
        """The report of each aggregator."""
        pods = [pod["metadata"]["name"] for pod in self.pods("aggregator")]
        return [Report.from_dict(self.ask(pod, AGGREGATOR_PORT, "/v1/report")) for pod in pods]

    def block(self, feature: str, pane: int) -> Document | None:
        """What was counted of a feature in one pane alone: ``rows`` and ``statistic``."""
        pod = self.pods("aggregator")[0]["metadata"]["name"]
        timeline = self.ask(pod, AGGREGATOR_PORT, f"/v1/features/{feature}")["timeline"]
        return next((one for one in timeline if (one["pane"], one["panes"]) == (pane, 1)), None)

    def wait_for_rows(self, counted: int, timeout_seconds: float = 40) -> Report:
        """The first report for which each aggregator accounts for so many rows: all hear of the same."""

        def enough() -> Report | None:
            reports = self.reports()
            told = [report.coverage for report in reports]
            enough_told = all(each and each.rows_counted + each.rows_lost >= counted for each in told)
            return Report.join(reports) if enough_told else None

        return wait_for(enough, f"{counted} rows are accounted for", timeout_seconds, every=0.3)


def _infer(rows: Rows) -> Document:
    tensor = {"name": "rows", "shape": list(rows.shape), "datatype": "FP32", "data": rows.tolist()}
    return {"inputs": [tensor]}
