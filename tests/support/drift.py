"""Profiles and panes with known drift, for tests of the policy."""

import numpy as np
import numpy.typing as npt

from tidegauge import Counts, Monitor, Policy, Profile

SEED = 7


def normal_profile(features: int = 1, rows: int = 20_000, cut_points: int = 255, seed: int = SEED) -> Profile:
    """Standard normal features named x0, x1, ..."""
    values = np.random.default_rng(seed).normal(size=(rows, features))
    return Profile.fit(values, cut_points, [f"x{i}" for i in range(features)])


def shifted_pane(profile: Profile, random: np.random.Generator, rows: int, *shifts: float) -> Counts:
    """One pane of normal rows, each feature shifted by so many sd (the last shift for all that follow)."""
    by_feature = [shifts[min(i, len(shifts) - 1)] for i in range(len(profile.names))]
    return profile.count(random.normal(by_feature, size=(rows, len(by_feature))))


def run_monitor(
    monitor: Monitor, shifts: npt.ArrayLike, rows: int, *, first_pane: int = 0, seed: int = SEED
) -> list[tuple[str, str | None]]:
    """One pane per shift; the model's verdict and severity after each."""
    random = np.random.default_rng(seed)
    found = []
    for pane, shift in enumerate(np.asarray(shifts, dtype=float), first_pane):
        monitor.add(pane, shifted_pane(monitor.profile, random, rows, float(shift)))
        report = monitor.report(pane)
        found.append((report.verdict.value, report.severity and report.severity.value))
    return found


def independent(**settings: object) -> Policy:
    """A policy that takes rows as independent, so that nothing has to be learned."""
    return Policy(design_effect=1, **settings)  # type: ignore[arg-type]
