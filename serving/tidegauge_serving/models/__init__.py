"""Model formats: one file each, and each library imported only when a model needs it.

It imports `rows`; of the library `data`, `errors`, `model`, `nearest`, `profile`, `protocol`; from outside
`joblib`, `lightgbm`, `numpy`, `pandas`, `skops`, `xgboost`. A model's library is imported only when a model
needs it.
No network; a model's library may have threads of its own.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from tidegauge.errors import BundleError
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import Manifest
from tidegauge_serving.models.base import Artefact, Label, Model, Predictions
from tidegauge_serving.models.categories import coded

__all__ = ["Label", "Model", "Predictions", "load_model"]

_LOADERS: Final = {
    "onnx": "onnx",
    "skops": "sklearn",
    "joblib": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
}


def load_model(
    folder: Path, manifest: Manifest, profile: Profile, *, allow_pickle: bool, trusted_types: frozenset[str]
) -> Model:
    """Load a bundle's model.

    Parameters
    ----------
    folder, manifest, profile
        The bundle, its manifest already verified.
    allow_pickle
        Whether a joblib file may be loaded: that runs whatever code is in it.
    trusted_types
        Types beyond skops' own defaults that a skops file may hold.

    Raises
    ------
    BundleError
        The file is not what the manifest says, needs what is not allowed or not installed, or takes other
        features than the profile has.
    """
    described = manifest.model
    if described.format == "joblib" and not allow_pickle:
        raise BundleError(
            f"{described.file} is a pickle, which can run any code while it is loaded: "
            "pack the model as ONNX or skops, or allow it with --allow-pickle if you trust its maker"
        )
    try:
        module = import_module(f"tidegauge_serving.models.{_LOADERS[described.format]}")
        load: Callable[..., Model] = module.load
        artefact = Artefact(folder / described.file, described, trusted_types, manifest.features)
        model = load(artefact, profile)
    except BundleError:
        raise
    except ImportError as error:
        raise BundleError(
            f"a {described.format} model needs {error.name}, which is not installed here"
        ) from error
    except Exception as error:  # the libraries raise whatever they like at a file that is none of theirs
        text = " ".join(str(error).split())[:300]
        raise BundleError(f"{described.file} cannot be read as {described.format}: {text}") from error
    return coded(model, manifest) if described.format in ("xgboost", "lightgbm") else model
