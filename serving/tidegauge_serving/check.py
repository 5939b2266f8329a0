"""``python -m tidegauge_serving.check``: answer rows of a bundle for packing, which compares the answers.

Packing starts this program once and sends it a line of JSON for each form of the model: ``{"bundle": FOLDER,
"rows": FOLDER}``. The bundle is loaded and asked as the server does it. The rows' folder holds

* ``values.npy`` and ``texts.json``: many rows by columns, predicted in blocks;
* ``alone.jsonl``: bodies of ``POST /predict``, one a line, decoded and predicted one by one.

The answers are written beside them. A line of JSON on stdout says when, or why there are none, and which
module was `missing`. It names the types of a skops file that its owner must have `trusted`. Only what the
server's image has can be imported, and the modules named with ``--also``.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tidegauge.errors import TidegaugeError
from tidegauge.protocol.bundle import Manifest
from tidegauge_serving.as_image import Hidden, missing_module
from tidegauge_serving.models import Predictions
from tidegauge_serving.models.base import require_number, require_numbers
from tidegauge_serving.models.sklearn import untrusted_types
from tidegauge_serving.predict.startup import Loaded, load_unmeasured
from tidegauge_serving.rows.diagnostics import diagnose
from tidegauge_serving.rows.refusal import Refusal
from tidegauge_serving.rows.schema import Block
from tidegauge_serving.settings import Settings

__all__ = ["answer_rows", "main"]

BLOCK_ROWS: Final = 1024  # nearest neighbours hold block x training rows distances at once


def answer_rows(bundle: Path, rows: Path) -> list[str]:
    """Answer the rows of one folder; returns the types of a skops file that its owner must trust.

    Raises
    ------
    BundleError
        The server could not serve the bundle.
    Exception
        Whatever the model raises at a block of rows.
    """
    described = Manifest.load(bundle).model
    trusted = untrusted_types(bundle / described.file) if described.format == "skops" else []
    loaded = load_unmeasured(Settings(bundle=bundle, allow_pickle=True, trusted_types=frozenset(trusted)))
    parts = [loaded.model.predict(block) for block in _blocks(loaded, rows)]
    labels = np.concatenate([part.labels for part in parts])
    if labels.dtype == object:
        (rows / "labels.json").write_text(json.dumps(labels.tolist()))
    else:
        np.save(rows / "labels.npy", labels)
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    if probabilities:
        np.save(rows / "probabilities.npy", np.concatenate(probabilities))
    bodies = (rows / "alone.jsonl").read_bytes().splitlines()
    (rows / "alone.json").write_text(json.dumps([_alone(loaded, body) for body in bodies]))
    return trusted


def _blocks(loaded: Loaded, rows: Path) -> Iterator[Block]:
    """The rows in blocks, without the schema's own checks: rows of training may hold what no client sends."""
    values = np.load(rows / "values.npy", allow_pickle=False)
    texts = {int(at): column for at, column in json.loads((rows / "texts.json").read_text()).items()}
    for start in range(0, len(values), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        columns = [texts[at][part] if at in texts else values[part, at] for at in range(values.shape[1])]
        yield loaded.schema.block_of_columns(columns)


def _alone(loaded: Loaded, body: bytes) -> dict[str, Any]:
    """One row's answer, or who refused it and why."""
    try:
        row = loaded.schema.decode_row(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return {"refused": str(diagnose(loaded.schema, body, error, "features")), "by": "schema"}
    try:
        block = loaded.schema.block([row])
        predictions = loaded.model.predict(block)
        label = _label(loaded, block, predictions)
    except Refusal as refusal:
        return {"refused": str(refusal), "by": "schema"}
    except Exception as error:  # models raise whatever they like
        return {"refused": " ".join(str(error).split())[:300], "by": "model"}
    probabilities = predictions.probabilities
    return {"label": label, "probability": None if probabilities is None else probabilities[0].tolist()}


def _label(loaded: Loaded, block: Block, predictions: Predictions) -> Any:
    """The label that `POST /predict` answers: by the quick way where the model has one."""
    if loaded.model.one is None or block.texts:
        require_numbers(predictions.labels)
        return predictions.labels.tolist()[0]
    label = loaded.model.one(tuple(block.values[0].tolist()))
    require_number(label)  # type: ignore[arg-type]  # this way has numbers only
    return label


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer each line of stdin until it ends."""
    parser = argparse.ArgumentParser(prog="python -m tidegauge_serving.check", description=__doc__)
    parser.add_argument("--also", action="append", default=[], help="a module beside those of the image")
    hidden = Hidden(parser.parse_args(arguments).also)
    hidden.install()
    out = os.dup(1)
    os.dup2(2, 1)  # libraries that print must not write between the answers
    for line in sys.stdin:
        os.write(out, json.dumps(_reply(json.loads(line), hidden)).encode() + b"\n")
    return 0


def _reply(request: dict[str, str], hidden: Hidden) -> dict[str, Any]:
    try:
        return {"trusted": answer_rows(Path(request["bundle"]), Path(request["rows"]))}
    except Exception as error:  # libraries raise whatever they like at a file that is none of theirs
        told = {"error": _told(error)}
        missing = missing_module(error, hidden)
        return told if missing is None else {**told, "missing": missing}


def _told(error: Exception) -> str:
    """Our words for an error, without those of a library, which follow them: they do not help to pack."""
    if not isinstance(error, TidegaugeError):
        return "the served model fails at the training rows"
    text = " ".join(str(error).split())
    foreign = error.__cause__ is not None and not isinstance(error.__cause__, ImportError | TidegaugeError)
    return text.partition(": ")[0] if foreign else text[:300]


if __name__ == "__main__":
    sys.exit(main())
