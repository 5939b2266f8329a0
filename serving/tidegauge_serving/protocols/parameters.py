"""What a request of V1 or ``/predict`` may ask for beside its rows: its ``parameters``."""

from typing import Any

import msgspec

from tidegauge_serving.predict.service import Service
from tidegauge_serving.rows.refusal import Refusal

__all__ = ["Parameters", "named_probabilities", "require_probabilities"]


class Parameters(msgspec.Struct, frozen=True, gc=False):
    """Parameters of a request; others than these are left alone, as other servers' clients may send some."""

    probabilities: bool = False


def require_probabilities(service: Service) -> None:
    """Raise a `Refusal` if the model answers no probabilities."""
    if not service.has_probabilities:
        raise Refusal("unknown_output", "this model answers no probabilities: leave that parameter out")


def named_probabilities(service: Service, probabilities: Any) -> dict[str, Any]:
    """Return the answer's part about probabilities: themselves, and the classes they are of."""
    classes = {"classes": list(service.classes)} if service.classes else {}
    return {"probabilities": probabilities, **classes}
