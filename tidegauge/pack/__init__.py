"""Packing: a trained model and its training data become one bundle folder (`docs/packing.md`).

It imports `data`, `errors`, `fit`, `model`, `nearest`, `profile`, `protocol`, `telling`; from outside
`joblib`, `lightgbm`, `numpy`, `onnx`, `pandas`, `pyarrow`, `skl2onnx`, `sklearn`, `skops`, `xgboost`,
`yaml`. The libraries of models are imported when a model of theirs is packed.
An edge of the library: it reads files and, unless given one, the clock. It loads the user's own model file
with joblib on the user's own machine; what it writes can be loaded elsewhere without running code.
"""

from tidegauge.pack.choice import ModelFormat, RefusedForm
from tidegauge.pack.folder import verify_bundle
from tidegauge.pack.packing import Packed, PackOptions, pack_model
from tidegauge.pack.served import Server

__all__ = ["ModelFormat", "PackOptions", "Packed", "RefusedForm", "Server", "pack_model", "verify_bundle"]
