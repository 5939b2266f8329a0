"""Servers under the same load in turns, and what they have in pairs."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.serving_load import Load, measure_in_turns
from bench.serving_setup import LOAD_CPU, Server

ROUNDS_AT_ONCE = 10


@dataclass
class Turns:
    """Loads of each server, round by round, and their processor seconds over all rounds."""

    loads: dict[str, list[Load]] = field(default_factory=dict)
    processor_seconds: dict[str, float] = field(default_factory=dict)

    def add(self, more: "Turns") -> None:
        """Put in what other processes of the same servers did."""
        for name, loads in more.loads.items():
            self.loads.setdefault(name, []).extend(loads)
            before = self.processor_seconds.get(name, 0.0)
            self.processor_seconds[name] = before + more.processor_seconds[name]

    def ratio(self, of: str, to: str, figure: Callable[[Load], float]) -> float:
        """Median over all rounds of one server's figure divided by another's in the same round."""
        pairs = zip(self.loads[of], self.loads[to], strict=True)
        return statistics.median(figure(one) / figure(other) for one, other in pairs)

    def median(self, of: str, figure: Callable[[Load], float]) -> float:
        return statistics.median(map(figure, self.loads[of]))

    def core_seconds(self, of: str) -> float:
        """Processor time per request, which neighbours on the machine change less than the rate."""
        return self.processor_seconds[of] / sum(load.requests for load in self.loads[of])


def take_turns(
    servers: Mapping[str, Server],
    path: str,
    bodies: list[bytes],
    connections: int,
    rounds: int,
    seconds: float,
    between: Callable[[], None] = lambda: None,
) -> Turns:
    """Load each server in each round, who goes first alternating; any failed request fails the run.

    Parameters
    ----------
    servers
        By name.
    path, bodies
        What is posted.
    connections
        Each sends its next request when its last one is answered.
    rounds, seconds
        How many, and how long each server is loaded in each.
    between
        Called now and then between rounds.
    """
    turns = Turns({name: [] for name in servers})
    ports = [server.port for server in servers.values()]
    before = {name: server.processor_seconds for name, server in servers.items()}
    while (left := rounds - len(next(iter(turns.loads.values())))) > 0:
        several = min(left, ROUNDS_AT_ONCE)
        for loads in measure_in_turns(ports, path, bodies, connections, seconds, several, LOAD_CPU):
            for name, load in zip(servers, loads, strict=True):
                assert not load.errors, f"{name}: {load.errors} of {load.requests} requests failed"
                turns.loads[name].append(load)
        between()
    for name, server in servers.items():
        turns.processor_seconds[name] = server.processor_seconds - before[name]
    return turns
