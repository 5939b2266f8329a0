"""From a model's file to a model. What a file is, its first bytes say; only pickles are unpickled."""

import logging
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import joblib

from tidegauge.errors import BundleError
from tidegauge.pack.mlflow_folder import model_file
from tidegauge.pack.native import lightgbm_model, xgboost_model
from tidegauge.pack.onnx_file import onnx_model
from tidegauge.telling import Argument

__all__ = ["load_model"]

logger = logging.getLogger(__name__)
_WANTED: Final = (
    "give a trained model as joblib, pickle or skops wrote it, an XGBoost .json or .ubj file, "
    "a LightGBM text file, an ONNX file, or a folder of MLflow"
)
_HEAD_BYTES: Final = 4096
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")  # "x" alone begins many a text
_PICKLES: Final = (b"\x80", *_ZLIB, b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"]\x00\x00", b"\x04\x22\x4d\x18")
_CUT_OFF: Final = (EOFError, pickle.UnpicklingError, struct.error, zlib.error)
_PICKLE_SUFFIXES: Final = (".joblib", ".pkl", ".pickle", ".sav")
_PACK_ONNX: Final = "write the model as ONNX and pack that"
_OTHERS: Final[
    Mapping[bytes, str]
] = {  # first bytes of what cannot be packed, and the nearest thing that can
    b"CBM1": f"a CatBoost model: {_PACK_ONNX}, model.save_model('model.onnx', format='onnx')",
    b"\x89HDF": f"an HDF5 file, as Keras writes: {_PACK_ONNX}, model.export('model.onnx', format='onnx')",
    b"binf": "XGBoost's old binary format: load it with that XGBoost, then save_model('model.json')",
    b"<?xml": "an XML file, perhaps PMML: pack the estimator that it was made from, as joblib",
    b"<PMML": "PMML: pack the estimator that it was made from, as joblib",
    b"GGUF": "a language model: only models that answer one value a row are served",
}
_ZIPS: Final[Mapping[str, str]] = {
    "data.pkl": f"a PyTorch model: {_PACK_ONNX}, torch.onnx.export(model, example, 'model.onnx', "
    "input_names=['input'], dynamic_axes={'input': {0: 'batch'}})",
    "metadata.json": f"a Keras model: {_PACK_ONNX}, model.export('model.onnx', format='onnx')",
    "model.ini": f"an H2O MOJO: {_PACK_ONNX}",
}


def load_model(path: Path | str, trusted_types: Sequence[str] = (), *, allow_pickle: bool = False) -> Any:
    """Load a model's file, or the one in a folder of MLflow.

    joblib and pickle run what the file says: load only files of your own. Files of other kinds run nothing.

    Parameters
    ----------
    path
        The file or folder.
    trusted_types
        For skops: types to load beyond its own defaults.
    allow_pickle
        Whether a folder's file may be a pickle: a folder does not show that it holds one.

    Raises
    ------
    BundleError
        The file cannot be read, is of another kind, or its object has no ``predict``.
    """
    path = Path(path)
    in_folder = path.is_dir()
    path = model_file(path) if in_folder else path
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise BundleError(f"the model {path} cannot be read: {error.strerror}") from error
    read = _reader(path, head)
    if in_folder and read is _read_pickle and not allow_pickle:
        trusted = " if you trust those who wrote it, or let MLflow write skops"
        raise BundleError(
            f"{path} is a pickle, which can run any code while it is loaded",
            step=("allow it with ", Argument("allow_pickle", True), trusted),
        )
    try:
        model = _adapted(read(path, trusted_types))
    except BundleError:
        raise
    except ImportError as error:
        raise BundleError(
            f"the model {path} needs the package {error.name}, which is not installed here: pip install it, "
            "in the version that the model was trained with"
        ) from error
    except Exception as error:  # a pickle may raise anything
        logger.debug("%s cannot be loaded", path, exc_info=error)
        raise BundleError(f"the model {path} cannot be loaded{_why(read, head, error)}") from error
    if not callable(getattr(model, "predict", None)):
        raise BundleError(f"{path} holds a {type(model).__name__}: a model with a predict method is needed")
    return model


def _why(read: Callable[..., Any], head: bytes, error: Exception) -> str:
    """What is wrong with a file that was not read; a library's words only where an object's code ran."""
    if read is _read_pickle and not isinstance(error, _CUT_OFF):
        return f" ({type(error).__name__}: {_first_line(error)}): {_WANTED}"
    return (
        f" as {_KIND_OF[read]}: it {_beginning(head)}, and it is cut off, damaged or written by a newer "
        "version. Save the model again, and check that the copy has the size of the original"
    )


def _reader(path: Path, head: bytes) -> Callable[[Path, Sequence[str]], Any]:
    """The function that reads a file that begins so; raises `BundleError` for what cannot be packed."""
    other = next((what for start, what in _OTHERS.items() if head.startswith(start)), None)
    if other is not None:
        raise BundleError(f"{path} is {other}")
    if head.startswith(b"PK\x03\x04"):
        return _zip_reader(path)
    if _is_xgboost(head):
        return _read_xgboost
    if head.startswith((b"tree\n", b"tree\r\n")):
        return _read_lightgbm
    if head.startswith(b"\x08") or path.suffix == ".onnx":
        return _read_onnx
    if head[4:8] == b"TFL3":
        raise BundleError(
            f"{path} is a TensorFlow Lite model: {_PACK_ONNX}, python -m tf2onnx.convert --tflite"
        )
    if head.startswith(_PICKLES) or path.suffix in _PICKLE_SUFFIXES:
        return _read_pickle
    raise BundleError(f"{path} is no model that is known, it {_beginning(head)}: {_WANTED}")


def _beginning(head: bytes) -> str:
    """The first line if it can be read, else the first bytes as hexadecimal digits."""
    if not head:
        return "is empty"
    line = head.split(b"\n")[0].decode(errors="replace").strip()[:40]
    if line and line.isprintable() and "\ufffd" not in line:
        return f'begins with "{line}"'
    return f"begins with the bytes {head[:8].hex(' ')}"


def _is_xgboost(head: bytes) -> bool:
    """JSON or UBJSON whose object has the key `learner`; XGBoost writes it first."""
    return head.lstrip()[:1] == b"{" and b"learner" in head


def _zip_reader(path: Path) -> Callable[[Path, Sequence[str]], Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
    except zipfile.BadZipFile as error:
        raise BundleError(
            f"the model {path} is a zip file that is cut off or damaged: its end, which lists what it holds, "
            "is missing. Save the model again, and check that the copy has the size of the original"
        ) from error
    if "schema.json" in names:
        return _read_skops
    what = next((what for name, what in _ZIPS.items() if name in names), None)
    raise BundleError(f"{path} is {what}" if what else f"{path} is a zip file without a model: {_WANTED}")


def _read_skops(path: Path, trusted_types: Sequence[str]) -> Any:
    import skops.io

    untrusted = sorted(set(skops.io.get_untrusted_types(file=path)) - set(trusted_types))
    if untrusted:
        raise BundleError(
            f"{path} holds types that are not trusted: {', '.join(untrusted)}",
            step=("name those that are yours with ", Argument("trusted_types")),
        )
    return skops.io.load(path, trusted=list(trusted_types))


def _read_pickle(path: Path, trusted_types: Sequence[str]) -> Any:  # noqa: ARG001
    return joblib.load(path)


def _read_xgboost(path: Path, trusted_types: Sequence[str]) -> Any:  # noqa: ARG001
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(path.read_bytes()))
    return booster


def _read_lightgbm(path: Path, trusted_types: Sequence[str]) -> Any:  # noqa: ARG001
    import lightgbm

    return lightgbm.Booster(model_str=path.read_text())


def _read_onnx(path: Path, trusted_types: Sequence[str]) -> Any:  # noqa: ARG001
    return onnx_model(path.read_bytes())


_KIND_OF: Final[Mapping[Callable[..., Any], str]] = {
    _read_skops: "a skops file",
    _read_pickle: "a joblib or pickle file",
    _read_xgboost: "an XGBoost file",
    _read_lightgbm: "a LightGBM text file",
    _read_onnx: "an ONNX file",
}


def _adapted(model: Any) -> Any:
    """The model; a booster of XGBoost or LightGBM with the attributes that packing asks for."""
    kind = type(model).__module__.split(".")[0], type(model).__name__
    if kind == ("xgboost", "Booster"):
        return xgboost_model(model)
    return lightgbm_model(model) if kind == ("lightgbm", "Booster") else model


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0][:200]
