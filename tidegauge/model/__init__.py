"""Rules that packing and the server share: how a model gets its rows, and onnxruntime's set-up.

It imports `protocol`; from outside `numpy`, `onnxruntime`.
It loads onnxruntime; no network.
"""
