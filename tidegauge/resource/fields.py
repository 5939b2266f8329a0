"""What fields of the resource are made of: durations, sizes, names, and the text that describes each."""

from decimal import Decimal
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from tidegauge.protocol import duration

__all__ = [
    "Count",
    "Duration",
    "Effect",
    "FeatureName",
    "HpaMetric",
    "Labels",
    "Name",
    "ObjectName",
    "Origin",
    "Part",
    "Quantities",
    "Share",
    "Size",
    "Time",
    "Tolerations",
    "Uri",
    "Verbatim",
    "bytes_of",
    "quantity_of",
    "says",
    "seconds_of",
]

# A StatefulSet's pods carry a label made of its name and 11 characters more, and a label has at most 63:
# "-aggregator" and those 11 leave 41 to the model's name.
NAME_PATTERN: Final = r"^[a-z]([a-z0-9-]{0,39}[a-z0-9])?$"
SIZE_PATTERN: Final = r"^[0-9]+([.][0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$"
CLUSTER_URI_PATTERN: Final = r"^(file|pvc|http|https|s3|gs|gcs|abfs|abfss|az)://.+$"
URI_PATTERN: Final = r"^((file|pvc|http|https|s3|gs|gcs|abfs|abfss|az)://.+|[^:]+)$"
QUANTITY_PATTERN: Final = r"^([0-9]+[.]?[0-9]*|[.][0-9]+)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi|[eE][0-9]+)?$"
_LABEL_NAME: Final = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
RESOURCE_PATTERN: Final = (
    rf"^(cpu|memory|ephemeral-storage|hugepages-[A-Za-z0-9]{{1,20}}|{_DOMAIN}/{_LABEL_NAME})$"
)
# As browsers send it: scheme, host and port, without a path.
ORIGIN_PATTERN: Final = r"^([*]|[a-z][a-z0-9+.-]*://[A-Za-z0-9.:_\[\]-]+)$"
OBJECT_PATTERN: Final = rf"^{_DOMAIN}$"
LABEL_PATTERN: Final = rf"^({_DOMAIN}/)?{_LABEL_NAME}$"
LABEL_VALUE_PATTERN: Final = rf"^({_LABEL_NAME})?$"

IN_WORDS: Final = {
    NAME_PATTERN: "lower-case letters, digits and dashes, a letter first, at most 41",
    duration.PATTERN: "a duration such as 30d, 720h, 90m or 30s",
    SIZE_PATTERN: "a size such as 64Mi or 1Gi",
    URI_PATTERN: "a path, or an address that opens with file, pvc, http, https, s3, gs, abfs or az",
    QUANTITY_PATTERN: "a quantity such as 200m, 2 or 256Mi",
    RESOURCE_PATTERN: "cpu, memory, ephemeral-storage, hugepages-SIZE, or DOMAIN/NAME as devices have",
    ORIGIN_PATTERN: "an origin such as https://shop.example:8443, or *",
    OBJECT_PATTERN: "an object's name: lower-case letters, digits, dashes and dots, at most 253",
    LABEL_PATTERN: "a label's key: letters, digits, dashes, dots and underscores, with a DNS prefix if any",
    LABEL_VALUE_PATTERN: "a label's value: letters, digits, dashes, dots and underscores, at most 63",
}

_UNIT_BYTES: Final[dict[str, int]] = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate(("k", "M", "G", "T", "P"), 1)},
    **{unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), 1)},
}


def matching(pattern: str, also: str = "", **bounds: int) -> Meta:
    """Return text that matches a pattern to its end.

    `also` is what a cluster holds it to, where that differs.

    Python's ``$`` matches before a line break at the end too, the API server's does not.
    """
    arguments: dict[str, Any] = {"extra_json_schema": {"pattern": also or pattern}, **bounds}
    return Meta(pattern=pattern.removesuffix("$") + r"\Z", **arguments)


MOST: Final = 2**31 - 1  # Kubernetes counts pods in 32 bits

Name = Annotated[str, matching(NAME_PATTERN)]
ObjectName = Annotated[str, matching(OBJECT_PATTERN, max_length=253)]
FeatureName = Annotated[str, Meta(min_length=1, max_length=253)]
# Three groups of six digits: what the cluster's own durations of 64 bits can hold.
Duration = Annotated[str, matching(duration.PATTERN, max_length=20)]
Size = Annotated[str, matching(SIZE_PATTERN, max_length=20)]
# In a cluster there is no folder that a path without a scheme could start from.
Origin = Annotated[str, matching(ORIGIN_PATTERN, max_length=255)]
Uri = Annotated[str, matching(URI_PATTERN, CLUSTER_URI_PATTERN, max_length=2048)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0, le=MOST)]
Effect = Annotated[float, Meta(ge=0, le=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Quantity = Annotated[str, matching(QUANTITY_PATTERN, max_length=32)] | Annotated[int, Meta(ge=0)]
Quantities = Annotated[dict[Annotated[str, matching(RESOURCE_PATTERN)], Quantity], Meta(max_length=16)]
Labels = Annotated[
    dict[
        Annotated[str, matching(LABEL_PATTERN)],
        Annotated[str, matching(LABEL_VALUE_PATTERN, max_length=63)],
    ],
    Meta(max_length=32),
]
Verbatim = dict[str, Any]  # passed on as it is
# As in a pod; the API server looks at them when the pods' template is written.
Tolerations = Annotated[tuple[Verbatim, ...], Meta(max_length=64)]
METRIC_TYPES: Final = ("Resource", "ContainerResource", "Pods", "Object", "External")
HpaMetric = Annotated[
    Verbatim,
    Meta(
        extra_json_schema={
            "required": ["type"],
            "properties": {
                "type": {
                    "type": "string",
                    "enum": list(METRIC_TYPES),
                    "description": "What the metric is of; the field of that name holds the rest.",
                }
            },
        }
    ),
]


def seconds_of(text: str) -> int:
    """Return seconds in a duration such as ``30d`` or ``1h30m``, as `Duration` allows it."""
    seconds = duration.seconds_of(text)
    assert seconds is not None, text
    return seconds


def bytes_of(size: str) -> int:
    """Return bytes in a size such as ``64Mi``, as `Size` allows it."""
    number = size.rstrip("kKMGTi")
    return int(float(number) * _UNIT_BYTES[size[len(number) :]])


def quantity_of(quantity: str | int) -> Decimal:
    """Return the number of a quantity such as ``200m`` or ``1.5Gi``, as `Quantity` allows it."""
    text = str(quantity)
    if text.endswith("m"):
        return Decimal(text[:-1]) / 1000
    number = text.rstrip("kKMGTPi")
    return Decimal(number) * _UNIT_BYTES[text[len(number) :]]


def says(text: str, **bounds: float) -> Meta:
    """Return a field's text for ``kubectl explain``, and its bounds (``ge``, ``max_length`` ...)."""
    arguments: dict[str, Any] = {"description": text, **bounds}
    return Meta(**arguments)


class Part(Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A part of the document in which a misspelt field is an error, not a setting without effect."""
