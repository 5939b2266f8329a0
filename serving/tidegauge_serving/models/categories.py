"""Categories for boosters, which know them by their place in the training data's order."""

from collections.abc import Callable, Mapping, Sequence

from tidegauge.errors import BundleError
from tidegauge.protocol.bundle import Feature, Manifest
from tidegauge.protocol.coercion import Label
from tidegauge_serving.models.base import Model, Predictions
from tidegauge_serving.rows.refusal import Refusal
from tidegauge_serving.rows.schema import Block

__all__ = ["CodedModel", "coded"]


def coded(model: Model, manifest: Manifest) -> Model:
    """Return a booster that takes the manifest's category columns.

    Raises `BundleError` for columns of texts.
    """
    texts = [feature.name for feature in manifest.features if feature.type == "text"]
    if texts:
        raise BundleError(
            f"{manifest.model.format} models are served with numbers and categories, "
            f"the manifest has columns of texts {texts}"
        )
    if not any(feature.type == "category" for feature in manifest.features):
        return model
    return CodedModel(model, manifest.features, refuses_unknown=manifest.model.format == "xgboost")


class CodedModel:
    """A booster that gets codes for the labels of category columns.

    Parameters
    ----------
    model
        The booster.
    features
        The manifest's.
    refuses_unknown
        Whether the library refuses a category that training did not have, as XGBoost does; else it is a
        missing value, as for LightGBM.
    """

    one: Callable[[tuple[float, ...]], Label] | None = None
    many: Callable[[Sequence[tuple[float, ...]]], list[Label]] | None = None

    def __init__(self, model: Model, features: Sequence[Feature], *, refuses_unknown: bool) -> None:
        self._model = model
        self._refuses_unknown = refuses_unknown
        self._columns = {
            at: (feature.name, {label: float(code) for code, label in enumerate(feature.categories)})
            for at, feature in enumerate(features)
            if feature.type == "category"
        }

    def predict(self, block: Block) -> Predictions:
        """Predict a block of rows; raises `Refusal` for a category that the library refuses."""
        values = block.values.copy()
        for at, (name, codes) in self._columns.items():
            values[:, at] = [self._code(name, codes, label) for label in block.texts[at]]
        return self._model.predict(Block(values, {}))

    def _code(self, name: str, codes: Mapping[Label, float], label: Label | None) -> float:
        if label is None:
            return float("nan")
        code = codes.get(label)
        if code is None and self._refuses_unknown:
            known = ", ".join(map(str, list(codes)[:10]))
            raise Refusal(
                "model_refused", f"feature {name!r} is {label!r}, which training did not have: it had {known}"
            )
        return float("nan") if code is None else code
