"""What requests and refusals hold, for the OpenAPI document.

A body is described by the schema that its reader reads by.
"""

from typing import Any, Final

from fastapi import Path
from pydantic import BaseModel, Field

from tidegauge.profile.document import PROFILE_JSON_SCHEMA
from tidegauge.protocol.pane import PANE_SCHEMA

__all__ = ["ERRORS", "PANE_BODY", "PANE_ERRORS", "PROFILE_BODY", "WRITE_ERRORS", "add_schemas", "path_part"]

PANE_TYPE: Final = "application/octet-stream"
_PANE: Final = (
    "A pane message. In order: the 8 bytes TIDEPAN1; the length of the JSON part in 4 bytes; the JSON part, "
    "which the schema PaneMessage describes; the counts; the CRC-32 of all before it in 4 bytes. Numbers are "
    "little-endian. docs/pane-format.md describes the counts."
)


class ErrorAnswer(BaseModel):
    """Every refusal looks like this."""

    error: str = Field(description="What is wrong: the value and the rule")
    reason: str = Field(description="The same in one word, for programs")


def _errors(described: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorAnswer, "description": words} for status, words in described.items()}


ERRORS: Final = _errors(
    {
        400: "The model must be named",
        404: "No such path, model, profile or feature",
        405: "The path takes other methods, which Allow names",
        422: "The request breaks a rule, which the answer names",
        503: "Not now: send it again after the seconds of Retry-After",
    }
)
"""Refusals of every route."""
WRITE_ERRORS: Final = _errors(
    {
        400: "The connection ended before the body did",
        401: "The write needs the header Authorization: Bearer TOKEN",
        403: "The token is another",
        413: "The body is too long",
    }
)
PANE_ERRORS: Final = WRITE_ERRORS | _errors(
    {
        404: "The profile is not known here: send it, then the pane again",
        409: "Other bytes came under this name before",
        421: "The pane belongs to another replica",
        425: "The pane is of the future: send it later",
    }
)


def path_part(name: str) -> Any:
    """Return the parameter of a path that names what a pane message names too."""
    rules = PANE_SCHEMA["properties"][name]
    described = {key: value for key, value in rules.items() if key != "description"}
    return Path(description=_PARTS[name], json_schema_extra=described)


_PARTS: Final = {
    "model": "Name of the model, a lower-case DNS name",
    "profile": "Hash of the whole profile, 64 hexadecimal digits",
    "pane": "Start of the pane in seconds since the epoch, divided by its length in seconds",
    "instance": "Name of the log volume that the rows came from, a lower-case DNS name",
}


def _body(media_type: str, schema: dict[str, Any], words: str) -> dict[str, Any]:
    content = {media_type: {"schema": schema}}
    return {"requestBody": {"required": True, "description": words, "content": content}}


PROFILE_BODY: Final = _body(
    "application/json",
    {"$ref": "#/components/schemas/ProfileDocument"},
    "A profile document. Its hash is that of its contents, and the same as in the path. "
    "docs/profile-format.md describes it.",
)
PANE_BODY: Final = _body(PANE_TYPE, {"type": "string", "format": "binary"}, _PANE)


def add_schemas(document: dict[str, Any]) -> None:
    """Add the schemas that the bodies name."""
    schemas = document["components"]["schemas"]
    schemas.update(ProfileDocument=PROFILE_JSON_SCHEMA, PaneMessage=PANE_SCHEMA)
