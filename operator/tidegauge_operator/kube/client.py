"""The API server's client: plain documents, server-side apply, typed errors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, ApiException, Configuration

from tidegauge.errors import TidegaugeError
from tidegauge.protocol.names import Env
from tidegauge_operator.kube.kinds import EVENTS, Kind, kind_of

__all__ = ["MANAGER", "REPAIR", "ApiError", "Cluster", "Credentials", "NoClusterError", "connect"]

Document = dict[str, Any]
Documents = list[Document]

MANAGER: Final = "tidegauge"
REQUEST_SECONDS: Final = 30.0
REPAIR: Final = "tidegauge-repair"
MERGE: Final = "application/merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class ApiError(Exception):
    """The API server refused, or could not be reached (code 0).

    Parameters
    ----------
    code, reason, message
        As in its answer.
    resource
        What it refused, as its answer calls it: ``persistentvolumeclaims``; empty where it does not say.
    """

    def __init__(self, code: int, reason: str, message: str, resource: str = "") -> None:
        super().__init__(message)
        self.code, self.reason, self.resource = code, reason, resource


class NoClusterError(TidegaugeError):
    """Nothing says where the API server is, or with which credentials."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Address of the API server and our credentials: paths of files, and a token."""

    server: str
    authority: str | None
    certificate: str | None
    key: str | None
    token: str | None
    verify: bool


async def connect(kubeconfig: Path | None) -> Cluster:
    """Prepare requests to the cluster of a kubeconfig file; without one, to the cluster that this pod is in.

    Raises
    ------
    NoClusterError
        The file cannot be used, or there is none and this is no pod.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(
                config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
            )
    except Exception as error:  # for a file that is no kubeconfig the library raises errors of any type
        raise NoClusterError(_without_cluster(kubeconfig, error)) from error
    # Else each request reads a .netrc in another thread, and would even send its password for this host.
    configuration.client_session_kwargs = {"trust_env": False}
    return Cluster(ApiClient(configuration))


def _without_cluster(kubeconfig: Path | None, error: Exception) -> str:
    if kubeconfig is None:
        return (
            f"there is no cluster: run in a pod of one, or name a file with --kubeconfig ({Env.KUBECONFIG})"
        )
    if not kubeconfig.exists():
        return f"the kubeconfig {kubeconfig} is not there: name another with --kubeconfig ({Env.KUBECONFIG})"
    if isinstance(error, OSError) and error.strerror:
        return f"the kubeconfig {kubeconfig} cannot be read: {error.strerror}"
    return (
        f"the kubeconfig {kubeconfig} cannot be used: it is no kubeconfig, or lacks its current context; "
        f"`kubectl --kubeconfig {kubeconfig} get namespaces` says more"
    )


class Cluster:
    """One API server, through a client with its address and our credentials."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def credentials(self) -> Credentials:
        """Return the credentials for another client."""
        headers: dict[str, str] = {}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        given = self._api.configuration
        _, _, bearer = headers.get("authorization", "").partition(" ")  # "Bearer", or "bearer" inside a pod
        return Credentials(
            given.host, given.ssl_ca_cert, given.cert_file, given.key_file, bearer or None, given.verify_ssl
        )

    async def apply(self, document: Document, *, force: bool = True, subresource: str = "") -> Document:
        """Apply a document's fields as ours and return the object; `force` takes fields over from others."""
        metadata = document["metadata"]
        path = kind_of(document).path(metadata["namespace"], metadata["name"])
        # Not strict: that parses each document once more to find duplicate fields, and only warns.
        query = {
            "fieldManager": MANAGER,
            "force": "true" if force else "false",
            "fieldValidation": "Ignore",
        }
        return await self._request(
            "PATCH", f"{path}/{subresource}" if subresource else path, query, document, APPLY
        )

    async def overwrite(self, document: Document) -> None:
        """Merge a document's fields into the object, replacing whole lists."""
        metadata = document["metadata"]
        path = kind_of(document).path(metadata["namespace"], metadata["name"])
        await self._request("PATCH", path, {"fieldManager": REPAIR}, document, MERGE)

    async def give_up_repair(self, document: Document) -> Document:
        """Take the repair's name off an object's fields: else a field that is no longer ours would stay.

        Parameters
        ----------
        document
            The present object; if it was written since, that is a conflict.
        """
        metadata = document["metadata"]
        kept = [entry for entry in metadata["managedFields"] if entry["manager"] != REPAIR]
        change = {"metadata": {"resourceVersion": metadata["resourceVersion"], "managedFields": kept}}
        path = kind_of(document).path(metadata["namespace"], metadata["name"])
        return await self._request("PATCH", path, {"fieldManager": REPAIR}, change, MERGE)

    async def find(self, kind: Kind, namespace: str, name: str) -> Document | None:
        """Return the object of that name, or None; as a list of one, which the rights of watching allow."""
        found = await self._list(kind, namespace, {"fieldSelector": f"metadata.name={name}"})
        return found[0] if found else None

    async def uids(self, kind: Kind, namespace: str | None, selector: str) -> set[str]:
        """Return the uids of all objects of a kind with these labels."""
        query = {"labelSelector": selector}
        answer = await self._request("GET", kind.path(namespace), query, accept=METADATA)
        return {item["metadata"]["uid"] for item in answer["items"] or ()}

    async def last_event(self, namespace: str, uid: str, reason: str) -> str | None:
        """Return the message of the newest Event of that reason about an object; None where there is none."""
        query = {"fieldSelector": f"involvedObject.uid={uid},reason={reason}"}
        found = await self._list(EVENTS, namespace, query)
        newest = max(found, key=lambda event: event.get("lastTimestamp") or "", default={})
        message: str | None = newest.get("message")
        return message

    async def _list(self, kind: Kind, namespace: str | None, query: dict[str, str]) -> Documents:
        answer = await self._request("GET", kind.path(namespace), query)
        return [{"apiVersion": kind.api_version, "kind": kind.name, **item} for item in answer["items"] or ()]

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete the object if it still is the one of that uid."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self._request("DELETE", kind.path(namespace, name), body=body)
        except ApiError as error:
            if error.code not in (404, 409):  # gone, or another of the same name
                raise

    async def post_event(self, document: Document) -> None:
        """Post an Event."""
        path = f"/api/v1/namespaces/{document['metadata']['namespace']}/events"
        await self._request("POST", path, body=document)

    async def serves(self, kind: Kind) -> bool:
        """Return whether the API server knows a kind."""
        try:
            answer = await self._request("GET", kind.root)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return any(resource["kind"] == kind.name for resource in answer["resources"])

    async def _request(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Document | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Document:
        headers = {"Content-Type": content_type, "Accept": accept}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{self._api.configuration.host}{path}{f'?{urlencode(query)}' if query else ''}"
        try:
            answer = await self._api.call_api(method, url, headers, body, _request_timeout=REQUEST_SECONDS)
            content = await answer.read()
        except (ApiException, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiError(0, "Unreachable", f"{type(error).__name__}: {error}") from error
        return _read(answer.status, content)


def _read(code: int, content: bytes) -> Document:
    try:
        document: Document = json.loads(content)
    except ValueError:
        document = {"message": content[:200].decode(errors="replace")}
    if code >= 400:
        resource = (document.get("details") or {}).get("kind", "")
        raise ApiError(code, document.get("reason", ""), document.get("message", f"status {code}"), resource)
    return document
