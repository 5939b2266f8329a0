"""An OpenAPI document as one page of HTML that runs nothing and loads nothing.

The usual pages load their scripts from another host, and stay empty where that cannot be reached.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

__all__ = ["PAGE_HEADERS", "openapi_page"]

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}"
    "h1 small,.said{color:#57606a;font-weight:400}h3{margin:0}code,pre{font:14px/1.45 ui-monospace,monospace}"
    "pre{background:#f3f5f7;padding:.75rem;overflow:auto;border-radius:4px}"
    "section{border-top:1px solid #d0d7de;padding:1rem 0}b{display:inline-block;min-width:4rem;color:#0a58a5}"
    "td,th{text-align:left;vertical-align:top;padding-right:1.5rem}p{margin:.3rem 0}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""What the page may do: show itself in its own style, and nothing else."""


def openapi_page(document: Mapping[str, Any]) -> str:
    """Return the page of a document.

    Parameters
    ----------
    document
        An OpenAPI 3.1 document; references lead into its own ``components/schemas``.
    """
    info = document["info"]
    title = f"{escape(info['title'])} <small>{escape(info['version'])}</small>"
    schemas = document.get("components", {}).get("schemas", {})
    parts = [
        f"<h1>{title}</h1>",
        _paragraph(info.get("description", "")),
        '<p>Machines read the same in <a href="openapi.json">openapi.json</a>.</p>',
        *(_operation(*each, schemas) for each in _operations(document)),
    ]
    meta = '<meta charset=utf-8><meta name=viewport content="width=device-width">'
    head = f"{meta}<title>{escape(info['title'])}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>"


def _operations(document: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return method, path and description of each operation; those that take a body come first."""
    found = [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, Mapping)
    ]
    return sorted(found, key=lambda each: "requestBody" not in each[2])


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    said = operation.get("description") or operation.get("summary", "")
    parts = [
        f"<h3><b>{escape(method.upper())}</b> <code>{escape(path)}</code></h3>",
        _paragraph(said),
        *(_parameter(each) for each in operation.get("parameters", ())),
        *(_content("Takes", kind, media, schemas) for kind, media in content.items()),
        *_answers(operation["responses"], schemas),
    ]
    return f"<section>{''.join(parts)}</section>"


def _parameter(parameter: Mapping[str, Any]) -> str:
    needed = "needed" if parameter.get("required") else "may be left out"
    said = f"{parameter['in']}, {needed}. {parameter.get('description', '')}"
    return f"<p><code>{escape(parameter['name'])}</code> <span class=said>{escape(said)}</span></p>"


def _answers(responses: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    refused = {status: answer for status, answer in responses.items() if not status.startswith("2")}
    for status, answer in responses.items():
        if status not in refused:
            content = answer.get("content", {})
            shown = [_content(f"Answers {status}", kind, media, schemas) for kind, media in content.items()]
            yield "".join(shown) or _paragraph(f"Answers {status}")
    if refused:
        said = "".join(_paragraph(f"{status}: {answer['description']}") for status, answer in refused.items())
        yield f"<details><summary>Refuses with {escape(', '.join(refused))}</summary>{said}</details>"


def _content(what: str, kind: str, media: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    example, schema = media.get("example"), media.get("schema", {})
    parts = [f"<summary>{escape(what)} <code>{escape(kind)}</code></summary>"]
    if example is not None:
        parts += ["<p>An example:</p>", _code(example)]
    if schema:
        parts += ["<p>As a JSON schema:</p>", _code(_resolved(schema, schemas))]
    return f"<details>{''.join(parts)}</details>"


def _resolved(part: Any, schemas: Mapping[str, Any], depth: int = 0) -> Any:
    """A schema with its references in place, down to some depth."""
    if isinstance(part, list):
        return [_resolved(each, schemas, depth) for each in part]
    if not isinstance(part, Mapping):
        return part
    name = str(part.get("$ref", "")).rpartition("/")[2]
    if name in schemas and depth < 4:
        return _resolved(schemas[name], schemas, depth + 1)
    return {key: _resolved(value, schemas, depth) for key, value in part.items()}


def _code(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"


def _paragraph(text: str) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in _lines(text))


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.split("\n") if line.strip())
