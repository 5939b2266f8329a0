"""What a monitor leaves to be stored: JSON with a version, of one profile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from tidegauge.errors import ProfileMismatch, WireError
from tidegauge.profile.profile import Profile

__all__ = ["read", "to_bytes"]

_VERSION: Final = 1


def to_bytes(profile: Profile, values: Mapping[str, Any]) -> bytes:
    """Write values that JSON can hold."""
    document = {"version": _VERSION, "profile": profile.hash, **values}
    return json.dumps(document, separators=(",", ":")).encode()


def read(data: bytes, profile: Profile) -> dict[str, Any]:
    """Read what was stored.

    Raises
    ------
    WireError
        The bytes are no state of this version.
    ProfileMismatch
        It is that of another profile.
    """
    try:
        values = json.loads(data)
    except ValueError as error:
        raise WireError(f"a monitor state that is no JSON: {error}") from error
    if not isinstance(values, dict) or values.get("version") != _VERSION:
        raise WireError(f"not a monitor state of version {_VERSION}")
    if values.get("profile") != profile.hash:
        raise ProfileMismatch(
            f"a state of profile {str(values.get('profile'))[:12]}; the monitor's is {profile.hash[:12]}"
        )
    return values
