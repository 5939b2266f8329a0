"""onnxruntime, told before it is loaded to send nothing to its makers.

Its Linux wheels keep a device's name in the home folder and report the use of models, unless
``ORT_DISABLE_TELEMETRY`` says otherwise when the library is loaded. Whoever sets the variable has the say.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
