"""The Kubernetes API as tests speak it: documents in, documents out, and refusals with their words."""

import json
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

Document = dict[str, Any]


class Refused(Exception):
    """The API server said no."""

    def __init__(self, status: Document) -> None:
        super().__init__(status.get("message", str(status)))
        self.code: int = status.get("code", 0)
        self.reason: str = status.get("reason", "")
        self.causes: list[Document] = status.get("details", {}).get("causes", [])


class Api:
    """One user's way to the API server.

    Parameters
    ----------
    address
        Base address of the API server.
    tls
        What proves the server, and the user by a client certificate; None where the address needs neither.
    user, groups
        Whom to act as, where the connection itself is another's.
    """

    def __init__(
        self,
        address: str,
        tls: ssl.SSLContext | None = None,
        user: str | None = None,
        groups: tuple[str, ...] = (),
    ) -> None:
        headers = [("Impersonate-User", user)] if user else []
        headers += [("Impersonate-Group", group) for group in groups] if user else []
        self._http = httpx.Client(base_url=address, verify=tls or False, headers=headers, timeout=30)
        self._kinds: dict[str, dict[str, Document]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, body: Document | None = None, **query: str) -> Document:
        """Any request; JSON in, JSON out.

        Raises
        ------
        Refused
            With the server's own message.
        """
        content_type = query.pop("content_type", "application/json")
        content = None if body is None else json.dumps(body)
        answer = self._http.request(
            method, path, params=query, content=content, headers={"Content-Type": content_type}
        )
        if answer.headers.get("Content-Type", "").startswith("application/json"):
            document: Document = answer.json()
        else:
            document = {"message": answer.text, "code": answer.status_code}
        if answer.is_error:
            raise Refused(document)
        return document

    def create(self, document: Document, dry_run: bool = False) -> Document:
        """Create an object, as strict with unknown fields as kubectl is."""
        query = {"fieldValidation": "Strict", "fieldManager": "tests"}
        if dry_run:
            query["dryRun"] = "All"
        return self.request("POST", self._collection(document), document, **query)

    def apply(self, document: Document, manager: str = "tests", subresource: str = "") -> Document:
        """Server-side apply, taking over conflicting fields."""
        return self.request(
            "PATCH",
            self.path(document, subresource),
            document,
            content_type="application/apply-patch+yaml",
            fieldManager=manager,
            fieldValidation="Strict",
            force="true",
        )

    def merge(self, document: Document, change: Document, subresource: str = "") -> Document:
        """Merge a change into a standing object."""
        return self.request(
            "PATCH",
            self.path(document, subresource),
            change,
            content_type="application/merge-patch+json",
            fieldValidation="Strict",
        )

    def get(self, document: Document, subresource: str = "") -> Document:
        """The object that a document names, as it stands."""
        return self.request("GET", self.path(document, subresource))

    def find(self, document: Document) -> Document | None:
        """The object that a document names, or None where there is none."""
        try:
            return self.get(document)
        except Refused as refused:
            if refused.code == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str, **query: str) -> list[Document]:
        """All objects of a kind in a namespace."""
        some = {"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace}}
        items: list[Document] = self.request("GET", self._collection(some), **query)["items"]
        return items

    def delete(self, document: Document, **query: str) -> None:
        """Delete an object."""
        self.request("DELETE", self.path(document), **query)

    def path(self, document: Document, subresource: str = "") -> str:
        """The address of one object."""
        end = f"/{subresource}" if subresource else ""
        return f"{self._collection(document)}/{document['metadata']['name']}{end}"

    def _collection(self, document: Document) -> str:
        group, kind = document["apiVersion"], document["kind"]
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        resource = self._resource(root, kind)
        if not resource["namespaced"]:
            return f"{root}/{resource['name']}"
        return f"{root}/namespaces/{document['metadata']['namespace']}/{resource['name']}"

    def _resource(self, root: str, kind: str) -> Document:
        if kind not in self._kinds.get(root, {}):
            self._kinds[root] = dict(_kinds(self.request("GET", root)))
        return self._kinds[root][kind]


def _kinds(discovery: Document) -> Iterator[tuple[str, Document]]:
    for resource in discovery["resources"]:
        if "/" not in resource["name"]:
            yield resource["kind"], resource
