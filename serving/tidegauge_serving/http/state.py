"""What predictions are answered with: a reason why not, then a service."""

import re
from typing import Final

from tidegauge_serving.predict.metrics import ServingMetrics
from tidegauge_serving.predict.service import Service
from tidegauge_serving.protocols import Route
from tidegauge_serving.protocols.plain import Plain
from tidegauge_serving.protocols.v1 import V1
from tidegauge_serving.protocols.v2 import V2
from tidegauge_serving.rows.refusal import Refusal

__all__ = ["ServingState"]

_VERSIONED: Final = re.compile(r"(/v2/models/[^/]+)/versions/[^/]+(/infer)")


class ServingState:
    """State of the server, read by every route.

    Parameters
    ----------
    metrics
        Told about readiness.

    Attributes
    ----------
    routes
        Prediction paths that are answered now, with protocol name and handler.
    reason
        Why the server is not ready; empty when it is.
    failure
        Why it will never be ready; empty while it may.
    draining
        Whether the server is about to stop: it still answers, and closes connections after each answer.
    """

    def __init__(self, metrics: ServingMetrics) -> None:
        self.metrics = metrics
        self.service: Service | None = None
        self.routes: dict[str, Route] = {}
        self.reason = "the model is being loaded"
        self.failure = ""
        self.draining = False

    @property
    def ready(self) -> bool:
        """Whether new requests should come here."""
        return self.service is not None and not self.failure and not self.draining

    def open(self, service: Service) -> None:
        """Answer predictions with this service from now on."""
        plain, v1, v2 = Plain(service), V1(service), V2(service)
        self.service = service
        self.reason = ""
        self.routes = {
            "/predict": (plain.name, plain),
            f"/v1/models/{service.name}:predict": (v1.name, v1),
            f"/v2/models/{service.name}/infer": (v2.name, v2),
        }
        self.metrics.ready = True

    def refuse(self, reason: str) -> None:
        """Stay unready for good, for this reason."""
        self.reason = self.failure = reason
        self.metrics.ready = False

    def drain(self) -> None:
        """Say not ready, and go on answering."""
        self.draining = True
        self.reason = "the server is stopping"
        self.metrics.ready = False

    def route(self, path: str) -> Route | None:
        """Return the protocol's name and handler for a prediction's path; None if there is none.

        A bundle has no version, so the Open Inference Protocol's path of any version is the model's.
        """
        found = self.routes.get(path)
        if found is None and (versioned := _VERSIONED.fullmatch(path)):
            return self.routes.get("".join(versioned.groups()))
        return found

    def commit(self) -> None:
        """Bring the rows of all answers that have not left yet into the log."""
        if self.service is not None:
            self.service.commit()

    def require(self, model: str | None = None) -> Service:
        """Return the service; raises `Refusal` while there is none, or for another model's name."""
        if self.service is None:
            raise Refusal("not_ready", f"no predictions yet: {self.reason}")
        if model is not None and model != self.service.name:
            raise Refusal("unknown_model", f"no model {model!r} here: there is {self.service.name!r}")
        return self.service
