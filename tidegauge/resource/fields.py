"""What fields of the resource are made of: durations, sizes, names, and the text that describes each."""

import re
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

__all__ = [
    "Count",
    "Duration",
    "Effect",
    "Name",
    "Part",
    "Quantities",
    "Size",
    "Uri",
    "Verbatim",
    "bytes_of",
    "says",
    "seconds_of",
]

NAME_PATTERN: Final = r"^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$"
DURATION_PATTERN: Final = r"^([0-9]+(h|m|s))+$"
SIZE_PATTERN: Final = r"^[0-9]+([.][0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$"
URI_PATTERN: Final = r"^((file|pvc|http|https|s3|gs|gcs|abfs|abfss|az)://.+|[^:]+)$"

_UNIT_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}
_UNIT_BYTES: Final = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate(("k", "M", "G", "T"), 1)},
    **{unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)},
}

Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Duration = Annotated[str, Meta(pattern=DURATION_PATTERN)]
Size = Annotated[str, Meta(pattern=SIZE_PATTERN)]
Uri = Annotated[str, Meta(pattern=URI_PATTERN)]
Count = Annotated[int, Meta(ge=0)]
Effect = Annotated[float, Meta(ge=0, le=1)]
Quantities = dict[str, str | int | float]
Verbatim = dict[str, Any]  # passed on as it is


def seconds_of(duration: str) -> int:
    """Seconds in a duration such as ``720h`` or ``1h30m``, as `Duration` allows it."""
    return sum(int(number) * _UNIT_SECONDS[unit] for number, unit in re.findall(r"([0-9]+)([hms])", duration))


def bytes_of(size: str) -> int:
    """Bytes in a size such as ``64Mi``, as `Size` allows it."""
    number = size.rstrip("kMGTi")
    return int(float(number) * _UNIT_BYTES[size[len(number) :]])


def says(text: str, **bounds: float) -> Meta:
    """A field's text for the reader of ``kubectl explain``, and its range (``ge``, ``gt``, ``le``)."""
    arguments: dict[str, Any] = {"description": text, **bounds}
    return Meta(**arguments)


class Part(Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A part of the document in which a misspelt field is an error, not a setting without effect."""
