"""From a custom resource to the processes of its local stack, as the operator makes pods of it."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from tidegauge.errors import ResourceError
from tidegauge.local.network import HOST
from tidegauge.local.supervisor import Program, Role
from tidegauge.protocol.bundle import Manifest, ModelFile
from tidegauge.protocol.names import API_VERSION, PANE_SECONDS, PROFILE_FILE, RESOURCE_KIND, Env
from tidegauge.resource import DriftMonitoredModel
from tidegauge.resource.environment import aggregator_environment, server_environment, sidecar_environment
from tidegauge.resource.schema import Metadata, Model, Spec
from tidegauge.telling import found

__all__ = [
    "Layout",
    "allowing",
    "check_allowed",
    "local_path",
    "of_bundle",
    "programs",
    "with_bundle",
]

# Numerical libraries start a thread per core; a dozen processes on one machine would only get in each
# other's way.
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Layout:
    """The places of a stack's parts: folders, ports, the shared socket.

    Parameters
    ----------
    folder
        Folder of the whole stack.
    bundle, profile
        The packed model and its reference profile, as local paths.
    server_ports, sidecar_ports, aggregator_ports
        One port per replica, on localhost.
    front_fd, front_port
        Listening socket that all servers inherit, and its port.
    pane_seconds
        Length of a pane.
    environment
        Variables that every process gets, below those the resource decides.
    stack
        Id of this run, which every program carries.
    """

    folder: Path
    bundle: Path
    profile: Path
    server_ports: tuple[int, ...]
    sidecar_ports: tuple[int, ...]
    aggregator_ports: tuple[int, ...]
    front_fd: int
    front_port: int
    pane_seconds: int = PANE_SECONDS
    environment: Mapping[str, str] | None = None
    stack: str = ""

    @property
    def token_file(self) -> Path:
        """File with the token of the aggregator's write path."""
        return self.folder / "token"

    @property
    def config_file(self) -> Path:
        """The aggregators' configuration."""
        return self.folder / "aggregator.json"

    def pod_name(self, model: str, index: int) -> str:
        """Name of one pod."""
        return f"{model}-{index}"

    def log_folder(self, pod: str) -> Path:
        """Return the folder a pod's server and sidecar share, an emptyDir in the cluster."""
        return self.folder / "pods" / pod

    def data_folder(self, shard: int) -> Path:
        """Return an aggregator's volume."""
        return self.folder / f"aggregator-{shard}"

    def log_file(self, name: str) -> Path:
        """Return what a process prints."""
        return self.folder / "logs" / f"{name}.log"

    @property
    def front_url(self) -> str:
        """Address of the model."""
        return f"http://{HOST}:{self.front_port}"

    @property
    def aggregator_urls(self) -> list[str]:
        """One address per shard."""
        return [f"http://{HOST}:{port}" for port in self.aggregator_ports]

    @property
    def folders(self) -> list[Path]:
        """Folders that must be there before the first process starts."""
        return [self.folder / "pods", self.folder / "logs"]


def with_bundle(resource: DriftMonitoredModel, bundle: Path) -> DriftMonitoredModel:
    """Return the resource with a bundle of this machine and its profile in place of its own."""
    spec = resource.spec
    model = replace(spec.model, storage_uri=str(bundle))
    drift = replace(spec.drift, profile_uri=None)
    return replace(resource, spec=replace(spec, model=model, drift=drift))


def of_bundle(bundle: Path) -> DriftMonitoredModel:
    """Return the resource of a bundle of this machine, with every setting as it is by default."""
    return DriftMonitoredModel(
        api_version=API_VERSION,
        kind=RESOURCE_KIND,
        metadata=Metadata(name=Manifest.load(bundle).name),
        spec=Spec(model=Model(storage_uri=str(bundle))),
    )


def allowing(
    resource: DriftMonitoredModel, trusted_types: tuple[str, ...], *, pickle: bool
) -> DriftMonitoredModel:
    """Return the resource whose model may also hold these types, or be a pickle."""
    model = resource.spec.model
    allowed = replace(
        model,
        trusted_types=(*model.trusted_types, *trusted_types),
        allow_pickle=model.allow_pickle or pickle,
    )
    return replace(resource, spec=replace(resource.spec, model=allowed))


def check_allowed(resource: DriftMonitoredModel, model: ModelFile) -> None:
    """Refuse a packed model that needs more than the resource allows, before anything starts.

    Raises
    ------
    ResourceError
        With the option, and the field, that allows it.
    """
    allowed = resource.spec.model
    if model.format == "joblib" and not allowed.allow_pickle:
        raise ResourceError(
            "the bundle's model is a pickle, which runs what its file says: "
            "if it is yours, pass --allow-pickle (spec.model.allowPickle)"
        )
    if missing := [name for name in model.trusted_types if name not in allowed.trusted_types]:
        options = " ".join(f"--trusted-type {shlex.quote(name)}" for name in missing)
        raise ResourceError(
            f"the bundle's model holds types that are not trusted: if they are yours, pass {options} "
            "(spec.model.trustedTypes)"
        )


def local_path(uri: str, folder: Path) -> Path:
    """Return the path a URI names; a relative one is taken from the YAML's folder.

    Raises
    ------
    ResourceError
        If the URI is remote: the local stack reads no remote storage.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return (folder / uri).resolve()
    if scheme == "file":
        return Path(rest)
    raise ResourceError(
        "the local stack takes a path or file://",
        argument=found("spec.model.storageUri", uri, f"storage {uri}"),
        step="name a bundle of this machine, as in `tidegauge up BUNDLE -f YAML` "
        "(docs/storage.md says how to copy one here)",
    )


def profile_path(resource: DriftMonitoredModel, bundle: Path, folder: Path) -> Path:
    """Return the reference profile's path: beside the model unless the resource names another."""
    uri = resource.spec.drift.profile_uri
    return local_path(uri, folder) if uri else bundle / PROFILE_FILE


def programs(resource: DriftMonitoredModel, layout: Layout) -> list[Program]:
    """Return all processes of the stack, in the order of starting."""
    pods = range(len(layout.server_ports))
    return [
        *(_aggregator(resource, layout, shard) for shard in range(len(layout.aggregator_ports))),
        *(program for pod in pods for program in _pod(resource, layout, pod)),
    ]


def _aggregator(resource: DriftMonitoredModel, layout: Layout, shard: int) -> Program:
    name = f"{resource.metadata.name}-aggregator-{shard}"
    port = layout.aggregator_ports[shard]
    settings = aggregator_environment(
        resource,
        host=HOST,
        port=port,
        data_folder=layout.data_folder(shard),
        config=layout.config_file,
        token_file=layout.token_file,
        shard=f"{shard}/{len(layout.aggregator_ports)}",
    )
    return _program(layout, name, Role.AGGREGATOR, "tidegauge_aggregator", port, "/readyz", settings)


def _pod(resource: DriftMonitoredModel, layout: Layout, index: int) -> Iterator[Program]:
    pod = layout.pod_name(resource.metadata.name, index)
    yield _sidecar(resource, layout, pod, index)
    yield _server(resource, layout, pod, index)


def _sidecar(resource: DriftMonitoredModel, layout: Layout, pod: str, index: int) -> Program:
    port = layout.sidecar_ports[index]
    settings = sidecar_environment(
        resource,
        log_folder=layout.log_folder(pod),
        profile=layout.profile,
        aggregator_urls=layout.aggregator_urls,
        token_file=layout.token_file,
        port=port,
    )
    settings |= {Env.POD: pod, Env.PANE_SECONDS: str(layout.pane_seconds)}
    return _program(layout, f"{pod}-sidecar", Role.SIDECAR, "tidegauge_sidecar", port, "/healthz", settings)


def _server(resource: DriftMonitoredModel, layout: Layout, pod: str, index: int) -> Program:
    port = layout.server_ports[index]
    settings = server_environment(
        resource, bundle=layout.bundle, log_folder=layout.log_folder(pod), port=port
    )
    return _program(
        layout,
        f"{pod}-server",
        Role.SERVER,
        "tidegauge_serving",
        port,
        "/v2/health/ready",
        settings,
        fd=layout.front_fd,
    )


def _program(
    layout: Layout,
    name: str,
    role: Role,
    module: str,
    port: int,
    ready_path: str,
    settings: Mapping[Env, str],
    fd: int | None = None,
) -> Program:
    own = {str(key): value for key, value in {**settings, Env.HOST: HOST, Env.STACK: layout.stack}.items()}
    return Program(
        name=name,
        role=role,
        command=(sys.executable, "-m", module, *(() if fd is None else ("--fd", str(fd)))),
        environment={**_ONE_THREAD, **os.environ, **(layout.environment or {}), **own},
        log_file=layout.log_file(name),
        port=port,
        ready_path=ready_path,
        inherited=() if fd is None else (fd,),
    )
