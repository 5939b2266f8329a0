"""How a model wants to be asked, told by what it is made of. Packing and the server must agree in it."""

from typing import Any

__all__ = ["takes_texts"]


def takes_texts(model: Any) -> bool:
    """Whether a model takes a sequence of texts, shape ``(n,)``, instead of rows.

    So do scikit-learn's text vectorizers, and pipelines and unions that begin with one.
    """
    if hasattr(model, "build_analyzer"):
        return True
    parts: list[Any] = getattr(model, "steps", None) or getattr(model, "transformer_list", None) or []
    return bool(parts) and takes_texts(parts[0][1])
