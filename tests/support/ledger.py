"""An aggregator reduced to its promise: a pane is a fact, taken once per name, refused with other bytes."""

from dataclasses import dataclass, field

from tidegauge_sidecar.sender import Answer

from tidegauge.counting.counts import Counts
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane


@dataclass
class Ledger:
    """Keeps each pane's bytes under its path. `script` answers instead, once per entry: see `put`."""

    profile: Profile
    knows_profile: bool = True
    taken: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, bytes] = field(default_factory=dict)
    script: list[str] = field(default_factory=list)
    requests: list[tuple[str, bytes]] = field(default_factory=list)

    def put(self, path: str, body: bytes) -> Answer:
        self.requests.append((path, body))
        event = self.script.pop(0) if self.script else "take"
        if event.isdigit():
            return self._answer_status(int(event), path, body)
        if event == "away":
            return Answer(0, "connection refused")
        answer = self._take(path, body)
        return Answer(0, "the answer was lost") if event == "lose_answer" else answer

    def _answer_status(self, status: int, path: str, body: bytes) -> Answer:
        if status in (409, 413, 422):
            if path in self.taken:
                return Answer(200, "taken before")
            self.refused[path] = body
        return Answer(status, "as the test says")

    def _take(self, path: str, body: bytes) -> Answer:
        if "/panes/" not in path:
            assert Profile.from_bytes(body).hash == self.profile.hash
            self.knows_profile = True
            return Answer(201)
        if not self.knows_profile:
            return Answer(404, "profile not known")
        self.refused.pop(path, None)  # a sidecar killed before it could note the refusal asks again
        if path in self.taken:
            same = self.taken[path] == body
            assert same, (
                f"other bytes under {path}: {Pane.from_bytes(body)} {Pane.from_bytes(self.taken[path])}"
            )
            return Answer(200)
        self.taken[path] = body
        return Answer(201)

    # --- what it knows ---------------------------------------------------------------------------------

    @property
    def panes(self) -> list[Pane]:
        return [Pane.from_bytes(body) for body in self.taken.values()]

    @property
    def refused_panes(self) -> list[Pane]:
        return [Pane.from_bytes(body) for body in self.refused.values()]

    @property
    def rows(self) -> int:
        return sum(pane.rows for pane in self.panes)

    @property
    def lost(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for pane in self.panes:
            for reason, rows in pane.lost.items():
                totals[reason] = totals.get(reason, 0) + rows
        return totals

    def counts(self, shard: Profile | None = None) -> Counts:
        profile = shard or self.profile
        return sum((Counts.from_bytes(pane.counts, profile) for pane in self.panes), Counts.zero(profile))
