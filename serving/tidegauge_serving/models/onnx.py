"""ONNX models through onnxruntime, one thread each."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegauge.data.values import texts_of
from tidegauge.errors import BundleError
from tidegauge.model.onnx_runtime import label_dtype
from tidegauge.model.onnx_runtime import onnxruntime as ort
from tidegauge.nearest import listed
from tidegauge.profile.profile import Profile
from tidegauge_serving.models.base import Artefact, Label, Predictions, require_features
from tidegauge_serving.rows.refusal import Refusal
from tidegauge_serving.rows.schema import Block, Value

_DTYPES: Final[dict[str, Any]] = {
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    **{f"tensor({kind.__name__})": kind for kind in (np.int8, np.int16, np.int32, np.int64)},
    **{f"tensor({kind.__name__})": kind for kind in (np.uint8, np.uint16, np.uint32, np.uint64)},
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
_One: TypeAlias = Callable[[tuple[float, ...]], Label]
_Many: TypeAlias = Callable[[Sequence[tuple[float, ...]]], list[Label]]
_Bound: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[Any], Callable[[], None]]


def load(artefact: Artefact, profile: Profile) -> "OnnxModel":
    """Load an ONNX file; raises `BundleError` if its inputs are not the profile's features."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(artefact.path.read_bytes(), options, providers=["CPUExecutionProvider"])
    names = tuple(feature.name for feature in profile.features)
    described = artefact.described
    return OnnxModel(session, names, described.classes, probability=described.answers_probability)


class OnnxModel:
    """A session whose inputs are one tensor of all features, or one column per feature.

    Parameters
    ----------
    session
        The onnxruntime session.
    names
        The features' names in the model's order.
    classes
        A classifier's labels: a graph has whole numbers for truth values.
    probability
        Whether the graph's second output is class probabilities; else it is not asked for.
    """

    def __init__(
        self, session: Any, names: tuple[str, ...], classes: Sequence[Label], *, probability: bool
    ) -> None:
        self._session = session
        self._label_dtype = label_dtype(classes)
        self._inputs = session.get_inputs()
        outputs = session.get_outputs()
        self._label = outputs[0].name
        self._all = [output.name for output in outputs[: 1 + probability]]
        for each in self._inputs:
            if each.type not in _DTYPES:
                fed = ", ".join(sorted(_DTYPES))
                raise BundleError(f"the ONNX input {each.name!r} is {each.type}: this server feeds {fed}")
        self._feed = self._feed_of(names)
        self._output = outputs[0]
        self.one, self.many = self._quick_ways(len(names))

    def predict(self, block: Block) -> Predictions:
        """Predict a block of rows."""
        found = self._session.run(self._all, self._feed(block))
        labels = np.asarray(found[0]).reshape(-1)
        if len(labels) != len(block):
            raise BundleError(
                f"the ONNX output {self._label!r} has {len(labels) // len(block)} values a row: one is served"
            )
        if self._label_dtype is not None:
            labels = labels.astype(self._label_dtype)
        return Predictions(labels, _probabilities(found[1]) if len(found) == 2 else None)

    def _feed_of(self, names: tuple[str, ...]) -> Callable[[Block], dict[str, Any]]:
        by_name = {each.name: each for each in self._inputs}
        if len(self._inputs) == 1 and not (len(names) == 1 and names[0] in by_name):
            only = self._inputs[0]
            if isinstance(only.shape[-1], int):
                require_features(only.shape[-1], len(names), "the ONNX model")
            dtype, shape = _DTYPES[only.type], (-1, len(names)) if _shape(only) != (-1,) else (-1,)
            return lambda block: {only.name: _tensor(block, names, dtype).reshape(shape)}
        columns = [
            (at, name, _DTYPES[by_name[name].type], _shape(by_name[name]))
            for at, name in enumerate(_columns_by_name(by_name, names))
        ]
        return lambda block: {
            name: _column(block, at, names[at], dtype).reshape(shape) for at, name, dtype, shape in columns
        }

    def _quick_ways(self, features: int) -> tuple[_One | None, _Many | None]:
        """One float tensor in, numbers out: bound to memory once, so that a call only fills and reads it."""
        if len(self._inputs) != 1 or _DTYPES[self._inputs[0].type] not in (np.float32, np.float64):
            return None, None
        if self._output.type not in ("tensor(float)", "tensor(double)", "tensor(int64)"):
            return None, None
        values, answers, run = self._bound(1, features)
        try:
            run()
        except Exception:  # of a row it takes, or answers, an array of another shape
            return None, None
        row = values[0]
        bound: dict[int, _Bound] = {}

        def one(values: tuple[float, ...]) -> Label:
            row[:] = values
            run()
            return answers.item()  # type: ignore[no-any-return]

        def many(rows: Sequence[tuple[float, ...]]) -> list[Label]:
            size = len(rows)
            values, answers, run = bound.get(size) or bound.setdefault(size, self._bound(size, features))
            values[:] = rows
            run()
            return answers.tolist()  # type: ignore[no-any-return]

        if self._label_dtype is None:
            return one, many
        label: Callable[[Label], Label] = bool if self._label_dtype.kind == "b" else float
        return lambda values: label(one(values)), lambda rows: list(map(label, many(rows)))

    def _bound(self, rows: int, features: int) -> _Bound:
        """Memory for rows and for their answers, and the call that predicts what is in it."""
        values = np.zeros((rows, features), _DTYPES[self._inputs[0].type])
        shape = (rows, *(1,) * (len(self._output.shape) - 1))
        answers = np.zeros(shape, _DTYPES[self._output.type])
        binding = self._session.io_binding()
        binding.bind_cpu_input(self._inputs[0].name, values)
        binding.bind_output(self._label, "cpu", 0, answers.dtype.type, shape, answers.ctypes.data)
        return values, answers.reshape(-1), partial(self._session.run_with_iobinding, binding)


def _shape(tensor: Any) -> tuple[int, ...]:
    """How an input is shaped; raises `BundleError` for a fixed number of rows."""
    if tensor.shape and isinstance(tensor.shape[0], int):
        raise BundleError(
            f"the ONNX input {tensor.name!r} takes {tensor.shape[0]} rows a call, no more and no less: "
            "export the model with a first dimension that is free"
        )
    return (-1,) if len(tensor.shape) == 1 else (-1, 1)


def _columns_by_name(inputs: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """The input for each feature; converters may have made names into identifiers."""
    for spell in (str, _identifier):
        spelled = [spell(name) for name in names]
        if set(spelled) == set(inputs) and len(set(spelled)) == len(names):
            return spelled
    raise BundleError(
        f"the ONNX model's inputs are {listed(sorted(inputs))}, the profile's features "
        f"{listed(sorted(names))}: they are of two different models, pack the model again"
    )


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def _tensor(block: Block, names: Sequence[str], dtype: Any) -> npt.NDArray[Any]:
    """All features, shape ``(n, features)``."""
    if dtype is np.object_:
        columns = [_column(block, at, name, dtype) for at, name in enumerate(names)]
        return np.concatenate(columns, axis=1)
    return _cast(block.values, names, dtype)


def _column(block: Block, at: int, name: str, dtype: Any) -> npt.NDArray[Any]:
    """One feature as ``(n, 1)``; a categorical one as it came, as text or number as the input wants it."""
    column: Any = block.texts.get(at, block.values[:, at])
    if dtype is np.object_:
        texts = ["" if text is None else text for text in texts_of(column)]
        return np.array(texts, dtype=object).reshape(-1, 1)
    if at in block.texts:
        column = [_number(value) for value in column]
    return _cast(np.asarray(column, dtype=np.float64).reshape(-1, 1), [name], dtype)


def _cast(values: npt.NDArray[np.float64], names: Sequence[str], dtype: Any) -> npt.NDArray[Any]:
    """Values, shape ``(n, names)``, in an input's type; raises `Refusal` for what it cannot hold."""
    with np.errstate(over="ignore", invalid="ignore"):
        cast: npt.NDArray[Any] = values.astype(dtype)
    if cast.dtype.kind in "iub":
        _require_whole(values, cast, names)
    return cast


def _require_whole(values: npt.NDArray[np.float64], cast: npt.NDArray[Any], names: Sequence[str]) -> None:
    wrong = np.argwhere(cast != values)
    if len(wrong):
        row, at = wrong[0]
        what = "a truth value" if cast.dtype.kind == "b" else f"a whole number of type {cast.dtype}"
        raise Refusal(
            "model_refused", f"feature {names[at]!r} is {values[row, at]:g}: this model takes {what} there"
        )


def _number(value: Value) -> float:
    """A categorical value for a numeric input; what is no number is no category of it, so -1 will do."""
    try:
        return float("nan") if value is None else float(value)
    except (ValueError, OverflowError):
        return -1.0


def _probabilities(found: Any) -> npt.NDArray[np.float64] | None:
    """Class probabilities, as a tensor or as the converter's list of one map per row."""
    if isinstance(found, list):
        found = [list(each.values()) for each in found]
    array = np.asarray(found, dtype=np.float64)
    return array if array.ndim == 2 else None
