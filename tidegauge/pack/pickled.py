"""The original object itself: as skops, which names its types, or as joblib, which runs code when loaded."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np
import skops.io

from tidegauge.pack.form import Form
from tidegauge.pack.inputs import Training
from tidegauge.pack.positions import by_position

__all__ = ["joblib_form", "skops_form"]

_ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold
_SCHEMA: Final = "schema.json"


def skops_form(model: Any, training: Training, *, frame: bool) -> Form:
    """Return the model as skops; the server says which of its types it does not trust."""
    data = _same_bytes(skops.io.dumps(model if frame else by_position(model)))
    return Form(
        format="skops",
        file="model.skops",
        data=data,
        dtype=_dtype(training),
        frame=frame,
    )


def joblib_form(model: Any, training: Training, *, frame: bool) -> Form:
    """Return the model as joblib: only for servers that may load pickles."""
    buffer = io.BytesIO()
    joblib.dump(model if frame else by_position(model), buffer)
    return Form(
        format="joblib", file="model.joblib", data=buffer.getvalue(), dtype=_dtype(training), frame=frame
    )


def _dtype(training: Training) -> str:
    """float32 if every number in the training data is one, else float64."""
    numbers = [training.frame[column.name] for column in training.columns if column.kind == "numeric"]
    return "float32" if numbers and all(values.dtype == np.float32 for values in numbers) else "float64"


def _same_bytes(data: bytes) -> bytes:
    """A skops archive without what changes from run to run: memory addresses as names, the time of day."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    schema = json.loads(members.pop(_SCHEMA))
    files: dict[str, str] = {}
    _rename(schema, {}, files, members)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for old, new in files.items():
            _write(archive, new, _without_padding(members[old]) if new.endswith(".npy") else members[old])
        _write(archive, _SCHEMA, json.dumps(schema, separators=(",", ":")).encode())
    return target.getvalue()


def _without_padding(npy: bytes) -> bytes:
    """An array file with zeros between the fields of its records, where trees keep what memory held."""
    array = np.load(io.BytesIO(npy), allow_pickle=False)
    if array.dtype.names is None:
        return npy
    clean = np.zeros_like(array)
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _rename(node: Any, ids: dict[int, int], files: dict[str, str], members: dict[str, bytes]) -> None:
    """Number objects and files in the order in which the schema names them, in place."""
    if isinstance(node, list):
        for each in node:
            _rename(each, ids, files, members)
    elif isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
        if isinstance(node.get("file"), str) and node["file"] in members:
            suffix = Path(node["file"]).suffix
            node["file"] = files.setdefault(node["file"], f"{len(files) + 1}{suffix}")
        for each in node.values():
            _rename(each, ids, files, members)


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name, _ZIP_EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(member, data)
