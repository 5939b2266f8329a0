"""Folders that MLflow wrote: which of their files is the model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tidegauge.errors import BundleError
from tidegauge.nearest import listed
from tidegauge.protocol.names import MANIFEST_FILE

__all__ = ["model_file"]

_DESCRIPTION: Final = "MLmodel"
_FILE_KEYS: Final[Mapping[str, str]] = {  # flavours that are packed, and where each names its file
    "sklearn": "pickled_model",
    "xgboost": "data",
    "lightgbm": "data",
    "onnx": "data",
}


def model_file(folder: Path) -> Path:
    """Return the model's file in a folder of MLflow.

    Raises
    ------
    BundleError
        The folder is none of MLflow's, or of a flavour that is not packed.
    """
    if not (folder / _DESCRIPTION).is_file():
        raise BundleError(f"{folder} is {_what(folder)}")
    flavours = _flavours(folder / _DESCRIPTION)
    for name, key in _FILE_KEYS.items():
        if name in flavours:
            return _inside(folder, _text(flavours[name], key, name))
    raise BundleError(
        f"{folder} is an MLflow model of the flavours {', '.join(map(str, flavours))}: packed are "
        f"{', '.join(_FILE_KEYS)}; write it with mlflow.onnx, and pack that"
    )


def _what(folder: Path) -> str:
    if (folder / MANIFEST_FILE).is_file():
        return "a bundle already: it can be served as it is"
    if (folder / "saved_model.pb").is_file():
        return "a TensorFlow SavedModel: write ONNX, python -m tf2onnx.convert --saved-model, and pack that"
    found = sorted(each.name for each in folder.iterdir())
    held = f"it has {listed(found)}" if found else "it is empty"
    return f"a folder without MLflow's file {_DESCRIPTION}, {held}: give the model's own file"


def _flavours(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        described = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} cannot be read as YAML: {' '.join(str(error).split())[:200]}") from error
    flavours = described.get("flavors") if isinstance(described, dict) else None
    if not isinstance(flavours, dict):
        raise BundleError(f"{path} names no flavours: MLflow writes them under the key 'flavors'")
    return flavours


def _text(flavour: object, key: str, name: str) -> str:
    value = flavour.get(key) if isinstance(flavour, dict) else None
    if not isinstance(value, str):
        raise BundleError(
            f"MLflow's flavour {name} has no {key}, or one that is no text: it must name the model's file"
        )
    return value


def _inside(folder: Path, name: str) -> Path:
    """The file of that name; a name with a way out of the folder could reach any file of the machine."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise BundleError(f"{folder} names the model's file {name!r}, which is no file in it")
    return path
