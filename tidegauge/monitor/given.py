"""Checks of what a monitor is given: a policy, panes and counts."""

from __future__ import annotations

import operator

from tidegauge.counting.counts import Counts
from tidegauge.errors import PolicyError, ProfileMismatch
from tidegauge.monitor.policy import Policy
from tidegauge.nearest import or_nearest
from tidegauge.profile.profile import Profile
from tidegauge.telling import found, told

__all__ = ["require_counts", "require_known_features", "require_panes", "whole_pane"]


def require_known_features(policy: Policy, profile: Profile) -> None:
    """Raise `PolicyError` for a floor of a feature that the profile does not have; a shard has not all."""
    unknown = sorted(set(policy.per_feature) - set(profile.names))
    if unknown and profile.share is None:
        raise PolicyError(
            "the profile has no such feature",
            argument=found("per_feature", unknown[0], f"per_feature names {unknown[0]!r}", unknown[0]),
            step=or_nearest(unknown[0], profile.names),
        )


def whole_pane(pane_id: object) -> int:
    """Return a pane's number as an int, also where it is one of numpy's; raises `PolicyError` for another."""
    try:
        return operator.index(pane_id)  # type: ignore[arg-type]
    except TypeError:
        rule = "it must be a whole number, floor(epoch seconds / pane_seconds)"
        raise PolicyError(rule, argument="pane_id", value=pane_id) from None


def require_panes(pane_id: int, panes: int) -> None:
    """Raise `PolicyError` unless so many panes from this one are a block."""
    if type(panes) is not int or panes < 1 or panes & (panes - 1) or pane_id % panes:
        rule = f"it must be a power of two that divides the pane's number, {pane_id}"
        raise PolicyError(rule, argument="panes", value=panes)


def require_counts(counts: Counts, profile: Profile) -> None:
    """Raise `TypeError` for what are no counts, and `ProfileMismatch` for those of another profile."""
    if not isinstance(counts, Counts):
        raise TypeError(f"counts={told(counts)}: they must be Counts, as Profile.count(rows) gives them")
    if counts.profile is not profile and counts.profile != profile:
        words = f"counts of profile {counts.profile.hash[:12]} given to a monitor of {profile.hash[:12]}"
        raise ProfileMismatch("count with its profile", argument=found("counts", counts.profile, words))
