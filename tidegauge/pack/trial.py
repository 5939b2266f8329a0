"""A form on trial: packed into a bundle of its own, served, and held against the original."""

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from tidegauge.data.values import json_cell
from tidegauge.errors import TidegaugeWarning
from tidegauge.pack.agreement import Agreement, agreement
from tidegauge.pack.answers import Answers, Original, Probed
from tidegauge.pack.form import Form
from tidegauge.pack.inputs import Training
from tidegauge.pack.manifest import Found, manifest_of
from tidegauge.pack.served import Rows, Server
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import Label
from tidegauge.protocol.names import MANIFEST_FILE, PROFILE_FILE
from tidegauge.telling import Argument

__all__ = ["Trial", "fit_profile"]

SINGLE_ROWS: Final = 256
SINGLE_ROWS_SLOW: Final = 16  # of forms that run the original's own code
_NO_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NOT_WATCHED: Final = "the model needs it, so name it in spec.drift.features.exclude of its resource"
_FEW_POINTS: Final = 8  # cut points of a trial's profile, which nothing is counted by


class Trial:
    """What a form must answer.

    Parameters
    ----------
    training
        The rows of training.
    original, probed
        The original's answers to them and to the probes.
    classes
        A classifier's labels.
    server
        Answers for each form.
    """

    def __init__(
        self,
        training: Training,
        original: Original,
        probed: Sequence[Probed],
        classes: tuple[Label, ...],
        server: Server,
    ) -> None:
        self._training = training
        self._original = original
        self._probed = probed
        self._classes = classes
        self._server = server
        self._missing_seen = frozenset(
            column.name for column in training.columns if training.frame[column.name].isna().any()
        )
        self._profiles: dict[str, Profile] = {}
        self._values, self._texts = _columns(training, training.frame)

    def hold(self, form: Form) -> tuple[Agreement, Found]:
        """Serve the form and compare; raises `BundleError` where it differs from the original."""
        alone = self._alone(SINGLE_ROWS if form.format == "onnx" else SINGLE_ROWS_SLOW)
        bodies = [_bodies(self._training, self._training.frame.iloc[alone])]
        bodies += [_bodies(self._training, each.probe.frame) for each in self._probed]
        rows = Rows(self._values, self._texts, [body for part in bodies for body in part])
        with tempfile.TemporaryDirectory() as name:
            self._write(Path(name), form)
            served = self._server.ask(Path(name), rows, form.needs)
        found = agreement(self._original, self._probed, served, alone, self._missing_seen)
        return found, replace(self._found(found), modules=served.modules, trusted_types=served.trusted_types)

    def _alone(self, most: int) -> list[int]:
        """The first rows that a client can send: JSON has no infinities."""
        sendable = ~np.isinf(self._values[: 2 * most]).any(axis=1)
        return [int(at) for at in np.flatnonzero(sendable)[:most]]

    def _write(self, folder: Path, form: Form) -> None:
        profile = self._profiles.get(form.dtype)
        if profile is None:
            profile = fit_profile(self._training, form.dtype, self._original.answers, _FEW_POINTS)
            self._profiles[form.dtype] = profile
        manifest = manifest_of(
            "trial", _NO_TIME, self._training, form, self._classes, profile, self._found(None)
        )
        (folder / form.file).write_bytes(form.data)
        (folder / PROFILE_FILE).write_bytes(profile.to_bytes())
        (folder / MANIFEST_FILE).write_text(manifest.to_json())

    def _found(self, compared: Agreement | None) -> Found:
        accepting = self._missing_seen | {
            each.probe.column
            for each in self._probed
            if all(
                answer is not None
                for kind, answer in zip(each.probe.kinds, each.answers, strict=True)
                if kind == "missing"
            )
        }
        refusing = {each.probe.column for each in self._probed} - accepting
        found = Found(
            probability=self._original.probabilities is not None,
            accept_missing=accepting,
            refuse_missing=refusing,
        )
        if compared is None:
            return found
        return Found(
            probability=found.probability,
            accept_missing=accepting - compared.refuse_missing,
            refuse_missing=refusing | compared.refuse_missing,
            max_relative_difference=compared.max_relative_difference,
            max_probability_difference=compared.max_probability_difference,
        )


def fit_profile(
    training: Training, dtype: str, predictions: Answers, cut_points: int, *, hour_of_day: bool = False
) -> Profile:
    """Return the reference: features as the server will take them, predictions as it will give them."""
    with _warnings_of_a_model():
        return _fitted(training, dtype, predictions, cut_points, hour_of_day=hour_of_day)


@contextmanager
def _warnings_of_a_model() -> Iterator[None]:
    """Give warnings of features another step: the model needs each of them, so none can be excluded."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        message = warning.message
        if isinstance(message, TidegaugeWarning) and _says_exclude(message):
            message = message.advised(_NOT_WATCHED)
        warnings.warn(message, stacklevel=3)


def _says_exclude(warning: TidegaugeWarning) -> bool:
    return any(isinstance(part, Argument) and part.name == "exclude" for part in warning.step)


def _fitted(
    training: Training, dtype: str, predictions: Answers, cut_points: int, *, hour_of_day: bool
) -> Profile:
    numbers = [column.name for column in training.columns if column.kind == "numeric"]
    return Profile.fit(
        training.frame,
        cut_points,
        [column.name for column in training.columns],
        prediction=predictions,
        time=None if training.time is None else training.time.to_numpy(),
        hour_of_day=hour_of_day,
        dtypes=dict.fromkeys(numbers, dtype),
        categorical=[column.name for column in training.columns if column.kind == "categorical"],
    )


def _columns(training: Training, frame: pd.DataFrame) -> tuple[Any, dict[int, list[Label | None]]]:
    """Rows as the server takes them: numbers, NaN for missing ones, and the texts of categories."""
    values = np.full((len(frame), len(training.columns)), np.nan)
    texts: dict[int, list[Label | None]] = {}
    for at, column in enumerate(training.columns):
        if column.kind == "numeric":
            values[:, at] = frame[column.name].to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            texts[at] = [json_cell(value) for value in frame[column.name].tolist()]
    return values, texts


def _bodies(training: Training, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Each row by name, as a client sends it."""
    values, texts = _columns(training, frame)
    columns = [
        texts[at] if at in texts else [None if value != value else value for value in values[:, at].tolist()]
        for at in range(len(training.columns))
    ]
    names = [column.name for column in training.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
