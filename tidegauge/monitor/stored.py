"""What a monitor leaves to be stored: JSON with a version, of one profile.

To change it, add a step that makes the new version of the one before, so that stored states stay readable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tidegauge.errors import ProfileMismatch, WireError
from tidegauge.profile.profile import Profile
from tidegauge.protocol.versions import Step, brought_forward

__all__ = ["read", "to_bytes"]

_STEPS: Final[tuple[Step, ...]] = ()  # from version 1 to 2, from 2 to 3, ...


def to_bytes(profile: Profile, values: Mapping[str, Any]) -> bytes:
    """Write values that JSON can hold."""
    document = {"version": len(_STEPS) + 1, "profile": profile.hash, **values}
    return json.dumps(document, separators=(",", ":")).encode()


def read(data: bytes, profile: Profile, steps: Sequence[Step] = _STEPS) -> Mapping[str, Any]:
    """Read what this program or an earlier one stored; `steps` lead to this version.

    Raises
    ------
    WireError
        The bytes are no state, or one of a later version.
    ProfileMismatch
        It is that of another profile.
    """
    try:
        values = json.loads(data)
    except ValueError as error:
        raise WireError(f"a monitor state that is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise WireError("a monitor state that is no object of JSON")
    values = brought_forward(values, values.get("version"), steps, "a monitor's state")
    if values.get("profile") != profile.hash:
        raise ProfileMismatch(
            f"a state of profile {str(values.get('profile'))[:12]}; the monitor's is {profile.hash[:12]}"
        )
    return values
