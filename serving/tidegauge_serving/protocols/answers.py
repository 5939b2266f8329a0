"""What the routes answer: the structs that are encoded, which the OpenAPI document is made from too."""

from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from tidegauge_serving.models import Label

__all__ = [
    "PredictAnswer",
    "V1Answer",
    "V2Answer",
    "V2ModelAnswer",
    "V2ServerAnswer",
    "V2Tensor",
    "V2TensorMetadata",
    "given_id",
]

Prediction: TypeAlias = Label | None
"""JSON has no NaN, so a prediction that is none is null."""
Probability: TypeAlias = float | None
Classes: TypeAlias = Annotated[list[Label], Meta(description="With probabilities: their classes")]


class PredictAnswer(Struct, gc=False):
    """The row's prediction."""

    prediction: Annotated[Prediction, Meta(description="A number, or the class label")]
    drift_score: Annotated[
        float | None,
        Meta(description="Mean |z| of the numeric features against the training data; null if infinite"),
    ]
    timestamp: Annotated[str, Meta(description="When it was answered, RFC 3339 in UTC")]
    features_received: Annotated[int, Meta(description="Number of features")]
    probabilities: (
        Annotated[list[Probability], Meta(description="On request: one for each class")] | UnsetType
    ) = UNSET
    classes: Classes | UnsetType = UNSET


class V1Answer(Struct, gc=False):
    """One prediction per row."""

    predictions: Annotated[list[Prediction], Meta(description="In the order of the rows")]
    probabilities: (
        Annotated[list[list[Probability]], Meta(description="On request: a list per row")] | UnsetType
    ) = UNSET
    classes: Classes | UnsetType = UNSET


class V2Tensor(Struct, gc=False):
    """One output for all rows."""

    name: Annotated[str, Meta(description="As the request names it")]
    shape: list[int]
    datatype: str
    data: Annotated[list[Prediction], Meta(description="Row after row; none if binary")] | UnsetType = UNSET
    parameters: dict[str, str | int | bool] | UnsetType = UNSET


class V2Answer(Struct, gc=False):
    """An Open Inference Protocol answer."""

    model_name: str
    outputs: list[V2Tensor]
    id: Annotated[str, Meta(description="The request's own, if it has one")] | UnsetType = UNSET


def given_id(request_id: str | None) -> str | UnsetType:
    """Return the id that an answer repeats; none where the request has none."""
    return UNSET if request_id is None else request_id


class V2TensorMetadata(Struct, gc=False):
    """A tensor's name, datatype and shape; -1 is any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class V2ModelAnswer(Struct, gc=False):
    """The model's inputs and outputs."""

    name: str
    versions: Annotated[list[str], Meta(description="Empty: a bundle has no version")]
    platform: str
    inputs: list[V2TensorMetadata]
    outputs: list[V2TensorMetadata]


class V2ServerAnswer(Struct, gc=False):
    """The server's metadata."""

    name: str
    version: str
    extensions: list[str]
