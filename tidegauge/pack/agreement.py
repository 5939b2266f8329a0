"""Whether a served form answers as the original: labels, numbers, probabilities and refusals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.errors import BundleError
from tidegauge.pack.answers import MAX_DIFFERENCE, Answers, Original, Probed, checked
from tidegauge.pack.probes import Kind
from tidegauge.pack.served import Alone, Served

__all__ = ["Agreement", "agreement", "difference", "differing_labels"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The differences between a served form's answers and the original's.

    Parameters
    ----------
    answers
        The served answers to the training rows.
    max_relative_difference
        Of the predictions; 0 for labels.
    max_probability_difference
        Of the class probabilities; None where none are served.
    refuse_missing
        Features whose missing values the form answers otherwise than the original: a server must refuse them.
    """

    answers: Answers
    max_relative_difference: float
    max_probability_difference: float | None
    refuse_missing: frozenset[str]


def agreement(
    original: Original,
    probed: Sequence[Probed],
    served: Served,
    alone: Sequence[int],
    missing_seen: frozenset[str],
) -> Agreement:
    """Compare a form's answers with the original's.

    Parameters
    ----------
    original, probed
        The original's answers to the training rows and to the probes.
    served
        The form's answers to the same; alone first rows of training, then the probes' rows.
    alone
        Which rows of training were asked alone.
    missing_seen
        Features with missing values in training: there the form must answer them as the original.

    Raises
    ------
    BundleError
        They differ; the message says where and by how much.
    """
    answers = checked(served.labels, labels=original.labels)
    scale = _scale(original)
    gaps = [_gaps(original, answers, served.probabilities, scale)]
    for at, answer in zip(alone, served.alone[: len(alone)], strict=True):
        if answer.refused is not None:
            words = f": {answer.refused}" if answer.by_schema else ""
            raise BundleError(f"training row {at} asked alone is refused{words}")
        gaps.append(_gaps(original.row(at), *_as_arrays(answer, original.labels), scale, " asked alone"))
    refuse_missing = {
        column
        for column, kind, reason in _probe_differences(original, probed, served.alone[len(alone) :], scale)
        if _may_be_refused(column, kind, missing_seen, reason)
    }
    largest = [max(values) for values in zip(*gaps, strict=True)]
    probability = None if original.probabilities is None else largest[1]
    return Agreement(answers, largest[0], probability, frozenset(refuse_missing))


def _scale(original: Original) -> float:
    """Return the mean size of the answers, the scale for differences near 0; without meaning for labels."""
    return 0.0 if original.labels else float(np.abs(original.answers.astype(np.float64)).mean())


def _may_be_refused(column: str, kind: Kind, missing_seen: frozenset[str], reason: str) -> bool:
    """A missing value that training never had may be refused; any other difference is one too many."""
    if kind == "missing" and column not in missing_seen:
        return True
    raise BundleError(f"{kind} in {column!r}: {reason}")


def _probe_differences(
    original: Original, probed: Sequence[Probed], served: Sequence[Alone], scale: float
) -> Iterator[tuple[str, Kind, str]]:
    """Column, kind of value and difference of each row of a probe that is not answered alike."""
    rows = iter(served)
    for each in probed:
        for kind, expected, found in zip(each.probe.kinds, each.answers, rows, strict=False):
            if expected is None and kind == "a value past float32's range":
                continue  # scikit-learn's trees refuse it, and their graph in float64 takes it for infinity
            reason = _probe_difference(expected, found, original.labels, scale)
            if reason:
                yield each.probe.column, kind, reason


def _probe_difference(expected: Original | None, found: Alone, labelled: bool, scale: float) -> str | None:
    if found.refused is not None:
        stricter = expected is not None and not found.by_schema
        return "the original answers, the served model refuses" if stricter else None
    labels, probabilities = _as_arrays(found, labelled)
    if expected is None:
        return "the original refuses it, the server answers"
    try:
        _gaps(expected, labels, probabilities, scale)
    except BundleError as error:
        return str(error)
    return None


def _as_arrays(answer: Alone, labels: bool) -> tuple[Answers, npt.NDArray[np.float64] | None]:
    probability = None if answer.probability is None else np.array([answer.probability])
    raw = np.array([answer.label], dtype=object if labels else np.float64)
    return (checked(raw, labels=True) if labels else raw), probability


def _gaps(
    original: Original,
    answers: Answers,
    probabilities: npt.NDArray[np.float64] | None,
    scale: float,
    how: str = "",
) -> tuple[float, float]:
    """Differences of predictions and of probabilities; raises `BundleError` where one is too large."""
    gap = difference(answers, original, scale)
    if original.labels and gap > 0:
        raise BundleError("{} of {} labels differ{}".format(*differing_labels(answers, original), how))
    if not gap <= MAX_DIFFERENCE:
        raise BundleError(f"answers{how} differ by {gap:.1e}, the limit is {MAX_DIFFERENCE:.0e}")
    return gap, _probability_gap(original, probabilities, how)


def _probability_gap(original: Original, served: Any, how: str) -> float:
    exact = original.probabilities
    if exact is None:
        return 0.0
    if served is None or served.shape[1] != exact.shape[1]:
        raise BundleError("it answers no class probabilities, the original does")
    gaps = np.abs(served - exact[: len(served)]).max(axis=1)
    if not gaps.max() <= MAX_DIFFERENCE:
        rows = f" in {(~(gaps <= MAX_DIFFERENCE)).sum()} of {len(gaps)} rows"
        raise BundleError(f"probabilities{how} differ by up to {gaps.max():.1e}{rows}")
    return float(gaps.max())


def difference(packed: Answers, original: Original, scale: float | None = None) -> float:
    """Return how far another form's answers, to all rows or the first ones, are from the original's.

    Returns
    -------
    float
        For numbers, the largest ``|packed - original| / max(|original|, mean |original|)``: an answer near
        0 is measured by what answers are like, not by itself; `scale` is that mean where the rows are few.
        For labels, the share of decided rows whose labels differ.
    """
    if original.labels:
        differing, decided = differing_labels(packed, original)
        return differing / max(1, decided)
    exact = original.answers[: len(packed)].astype(np.float64)
    usual = np.abs(original.answers.astype(np.float64)).mean() if scale is None else scale
    size = np.maximum(np.abs(exact), usual)
    gap = np.abs(packed.astype(np.float64) - exact)
    return float(np.max(np.divide(gap, size, out=gap, where=size > 0)))


def differing_labels(packed: Answers, original: Original) -> tuple[int, int]:
    """Return how many labels differ from the original's, of how many decided rows among those asked."""
    decided = original.decided[: len(packed)]
    differing = (packed != original.answers[: len(packed)]) & decided
    return int(differing.sum()), int(decided.sum())
