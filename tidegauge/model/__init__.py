"""What packing and the server must agree on: how a model is asked, and onnxruntime's set-up.

It imports `protocol`.
It loads onnxruntime; no network.
"""
