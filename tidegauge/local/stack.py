"""One local stack from start to clean end."""

import json
import os
import random
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from tidegauge.errors import ResourceError
from tidegauge.local.network import free_ports, is_free, listen, unhealthy
from tidegauge.local.plan import (
    Layout,
    check_allowed,
    local_path,
    profile_path,
    programs,
)
from tidegauge.local.process_group import ProcessGroup
from tidegauge.local.state import StackState, locked
from tidegauge.local.supervisor import Program, Supervisor
from tidegauge.protocol.bundle import Manifest
from tidegauge.protocol.names import PANE_SECONDS
from tidegauge.resource import DriftMonitoredModel
from tidegauge.resource.environment import aggregator_config

__all__ = ["Options", "Stack", "running"]

STOP_GRACE_SECONDS: Final = 40.0  # longer than a sidecar waits for its server and its aggregator


@dataclass(frozen=True)
class Options:
    """The user's choices besides the resource.

    Parameters
    ----------
    pods
        Pods to run; None takes the resource's own number.
    port
        The front port; 0 is any free one.
    aggregator_port
        Port of the first aggregator, the next ones follow; 0 is any free ones.
    pane_seconds
        Length of a pane.
    environment
        Variables for every process.
    """

    pods: int | None = None
    port: int = 0
    aggregator_port: int = 0
    pane_seconds: int = PANE_SECONDS
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Ports:
    """The ports that a stack has found free, and the front's socket."""

    front_fd: int
    front_port: int
    servers: tuple[int, ...]
    sidecars: tuple[int, ...]
    aggregators: tuple[int, ...]


class Stack:
    """A running stack; `step` it a few times per second, and stop it in the end."""

    def __init__(
        self,
        resource: DriftMonitoredModel,
        layout: Layout,
        supervisor: Supervisor,
    ) -> None:
        self._resource = resource
        self._layout = layout
        self._supervisor = supervisor
        self._was_ready = False
        self.url = layout.front_url

    def step(self) -> bool:
        """Restart what died; returns whether anything changed since the last call."""
        if not self._supervisor.step():
            return False
        self._was_ready = self._was_ready or self._supervisor.ready
        self.state.save(self._layout.folder)
        return True

    @property
    def was_ready(self) -> bool:
        """Whether all processes have been ready at once since the start."""
        return self._was_ready

    @property
    def state(self) -> StackState:
        """Return what runs where, now."""
        return StackState(
            model=self._resource.metadata.name,
            profile=str(self._layout.profile),
            pid=os.getpid(),
            url=self.url,
            aggregator_urls=self._layout.aggregator_urls,
            token_file=str(self._layout.token_file),
            pane_seconds=self._layout.pane_seconds,
            ready=self._supervisor.ready,
            processes=self._supervisor.state(),
            id=self._layout.stack,
        )

    def stop(self) -> list[str]:
        """Return servers, sidecars, aggregators, in this order.

        Returns the names of those that had to be killed.
        """
        killed = self._supervisor.stop(STOP_GRACE_SECONDS)
        self.state.save(self._layout.folder)
        return killed

    def kill(self) -> None:
        """End everything at once."""
        self._supervisor.kill()


@contextmanager
def running(
    resource: DriftMonitoredModel,
    resource_folder: Path,
    folder: Path,
    options: Options,
    tell: Callable[[str], None],
) -> Iterator[Stack]:
    """Start a stack in `folder`; whatever happens inside, nothing runs on behind it.

    Parameters
    ----------
    resource, resource_folder
        The custom resource, and the folder that its relative paths start from.
    folder
        Where the stack keeps its files.
    options
        The user's choices.
    tell
        Takes lines for people.

    Raises
    ------
    ResourceError
        If the bundle or profile is not there, a port is taken, or another stack runs in that folder.
    """
    pods = resource.spec.pods if options.pods is None else options.pods
    bundle, profile = _found(resource, resource_folder)
    shards = resource.spec.aggregator.replicas
    with locked(folder), _reserved(options, pods, shards) as ports, ProcessGroup() as guard:
        layout = Layout(
            folder=folder,
            bundle=bundle,
            profile=profile,
            server_ports=ports.servers,
            sidecar_ports=ports.sidecars,
            aggregator_ports=ports.aggregators,
            front_fd=ports.front_fd,
            front_port=ports.front_port,
            pane_seconds=options.pane_seconds,
            environment=options.environment,
            stack=secrets.token_hex(8),
        )
        _write_files(resource, layout, pods)
        supervisor = Supervisor(
            programs(resource, layout), guard.group, partial(_unready, layout.stack), tell, is_free
        )
        stack = Stack(resource, layout, supervisor)
        try:
            yield stack
        finally:
            stack.kill()


def clear_pods(folder: Path) -> None:
    """Remove the pods' log folders, as an emptyDir goes with its pod."""
    shutil.rmtree(folder / "pods", ignore_errors=True)


def _found(resource: DriftMonitoredModel, folder: Path) -> tuple[Path, Path]:
    bundle = local_path(resource.spec.model.storage_uri, folder)
    profile = profile_path(resource, bundle, folder)
    for path, name in ((bundle, "spec.model.storageUri"), (profile, "spec.drift.profileUri")):
        if not path.exists():
            raise ResourceError(f"{name}: there is no {path}; `tidegauge pack` makes a bundle")
    check_allowed(resource, Manifest.load(bundle).model)
    return bundle, profile


@contextmanager
def _reserved(options: Options, pods: int, shards: int) -> Iterator[_Ports]:
    """All ports of a stack, so that a taken one is refused before anything starts.

    The front port is held for as long as the stack runs; the others are let go for the programs to take.
    """
    with ExitStack() as held, listen(options.port) as front:
        first = options.aggregator_port
        chosen = range(first, first + shards) if first else ()
        for port in chosen:
            held.enter_context(listen(port, "--aggregator-port"))
        free = free_ports(2 * pods + shards - len(chosen), random.Random())
        for port in free:
            held.enter_context(listen(port))
        ports = _Ports(
            front_fd=front.fileno(),
            front_port=front.getsockname()[1],
            servers=tuple(free[:pods]),
            sidecars=tuple(free[pods : 2 * pods]),
            aggregators=tuple(chosen) or tuple(free[2 * pods :]),
        )
        held.close()
        yield ports


def _write_files(resource: DriftMonitoredModel, layout: Layout, pods: int) -> None:
    pod_folders = [layout.log_folder(layout.pod_name(resource.metadata.name, i)) for i in range(pods)]
    shards = range(len(layout.aggregator_ports))
    for path in (*layout.folders, *pod_folders, *(layout.data_folder(shard) for shard in shards)):
        path.mkdir(parents=True, exist_ok=True)
    layout.config_file.write_text(json.dumps(aggregator_config(resource, pods), indent=2))
    layout.token_file.touch(mode=0o600)
    layout.token_file.write_text(secrets.token_urlsafe(32))


def _unready(stack: str, program: Program) -> str | None:
    return unhealthy(program.port, program.ready_path, stack=stack)
