"""Asks a model server with tritonclient and the SDK of KServe: python ask.py PORT. Prints their answers."""

import asyncio
import json
import sys

import numpy as np
import tritonclient.http as triton
from kserve import InferenceRESTClient, InferInput, InferRequest, InferResponse, RESTConfig

PORT = sys.argv[1]
URL = f"http://127.0.0.1:{PORT}"
MODEL = "late-flights"
ROWS = {"temp": [12.5, -3.0], "carrier": ["UA", "AA"], "distance": [800.0, 250.0]}
DATATYPES = {"temp": "FP64", "carrier": "BYTES", "distance": "FP64"}


def triton_inputs(binary: bool) -> list[triton.InferInput]:
    found = []
    for name, values in ROWS.items():
        tensor = triton.InferInput(name, [2], DATATYPES[name])
        kind = object if DATATYPES[name] == "BYTES" else np.float64
        tensor.set_data_from_numpy(np.array(values, dtype=kind), binary_data=binary)
        found.append(tensor)
    return found


def texts(answer: triton.InferResult, name: str) -> list[str]:
    return [each.decode() if isinstance(each, bytes) else each for each in answer.as_numpy(name).tolist()]


def ask_triton() -> dict[str, object]:
    client = triton.InferenceServerClient(f"127.0.0.1:{PORT}")
    found: dict[str, object] = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model": client.is_model_ready(MODEL),
        "version": client.is_model_ready(MODEL, "1"),
        "server": client.get_server_metadata()["name"],
        "metadata": client.get_model_metadata(MODEL, "7") == client.get_model_metadata(MODEL),
    }
    for coding in (None, "gzip", "deflate"):
        for binary in (True, False):
            for version in ("", "3"):
                answer = client.infer(
                    MODEL,
                    triton_inputs(binary),
                    model_version=version,
                    request_compression_algorithm=coding,
                    response_compression_algorithm=coding,
                )
                labels = texts(answer, "prediction")
                found[f"infer {coding} {binary} {version}"] = [
                    labels,
                    answer.as_numpy("probability").tolist(),
                ]
    wish = [triton.InferRequestedOutput(name, binary_data=True) for name in ("predict", "predict_proba")]
    answer = client.infer(MODEL, triton_inputs(True), outputs=wish)
    found["infer by other names"] = [texts(answer, "predict"), answer.as_numpy("predict_proba").tolist()]
    return found


def kserve_inputs() -> list[InferInput]:
    return [
        InferInput(name=name, shape=[2], datatype=DATATYPES[name], data=values)
        for name, values in ROWS.items()
    ]


def by_grpc(answer: InferResponse) -> list[object]:
    """The answer as a transformer that speaks gRPC passes it on."""
    passed = InferResponse.from_grpc(answer.to_grpc())
    labels, probability = passed.outputs
    texts_of = [each.decode() if isinstance(each, bytes) else each for each in labels.data]
    return [texts_of, np.array(probability.data).reshape(probability.shape).tolist()]


async def ask_kserve() -> dict[str, object]:
    v1 = InferenceRESTClient(RESTConfig(protocol="v1"))
    v2 = InferenceRESTClient(RESTConfig(protocol="v2"))
    rows = [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]
    answer = await v2.infer(
        URL, InferRequest(model_name=MODEL, infer_inputs=kserve_inputs()), model_name=MODEL
    )
    labels, probability = answer.outputs
    return {
        "live": await v1.is_server_live(URL),
        "live v2": await v2.is_server_live(URL),
        "ready": await v1.is_model_ready(URL, MODEL),
        "ready v2": await v2.is_model_ready(URL, MODEL),
        "ready server": await v2.is_server_ready(URL),
        "v1": (await v1.infer(URL, {"instances": rows}, model_name=MODEL))["predictions"],
        "v2": [labels.data, np.array(probability.data).reshape(probability.shape).tolist()],
        "grpc": by_grpc(answer),
    }


print(json.dumps({"triton": ask_triton(), "kserve": asyncio.run(ask_kserve())}))
