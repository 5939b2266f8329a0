"""Sending closed panes, oldest first, until every shard's aggregator has taken or refused each.

A message is a pure function of the spooled pane and of the shard's state before it. The state is stored
before the next pane is sent, so a pane sent again, by this process or the next, is the same bytes.
"""

import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, Protocol

from tidegauge.counting.counts import Counts
from tidegauge.errors import ProfileError, ProfileMismatch, WireError
from tidegauge.kit.backoff import Backoff
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import Lost, pane_path, profile_path
from tidegauge.protocol.pane import Pane
from tidegauge.telling import found
from tidegauge_sidecar.position import Position
from tidegauge_sidecar.spool import Sent, ShardState, Spool, Spooled, StateFile

__all__ = [
    "Answer",
    "Outcome",
    "Retry",
    "Sender",
    "Transport",
    "message_for",
    "recover_sent",
    "state_after",
]

logger = logging.getLogger(__name__)

BACKOFF: Final = Backoff(first_seconds=0.1, most_seconds=10.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """An aggregator's answer; status 0 means that there was none."""

    status: int
    text: str = ""


class Transport(Protocol):
    """The way to one shard's aggregator."""

    def put(self, path: str, body: bytes) -> Answer:
        """PUT `body`; never raises for what the network or the server does."""


class Outcome(Enum):
    """The meaning of an answer for the pane that was sent."""

    TAKEN = auto()
    REFUSED = auto()
    LATER = auto()
    MISCONFIGURED = auto()


_OUTCOMES: Final = {
    **dict.fromkeys((200, 201, 204), Outcome.TAKEN),
    **dict.fromkeys((409, 413, 422), Outcome.REFUSED),
    **dict.fromkeys((401, 403, 421), Outcome.MISCONFIGURED),
}


class Retry:
    """When one shard is tried next: after waits that double with each failure, until something succeeds."""

    def __init__(self, rng: random.Random) -> None:
        self.due = 0.0
        self._rng = rng
        self._failures = 0

    def succeed(self) -> None:
        """Start again from the shortest wait."""
        self._failures = 0
        self.due = 0.0

    def fail(self, now: float, *, slowly: bool = False) -> None:
        """Wait before the next try; at once the longest wait if `slowly`."""
        self._failures += 1
        chance = self._rng.random()
        wait = BACKOFF.longest_seconds(chance) if slowly else BACKOFF.wait_seconds(self._failures, chance)
        self.due = now + wait


def message_for(spooled: Spooled, state: ShardState, index: int, profile: Profile, shards: int) -> Pane:
    """Return the pane as one shard must hear it.

    Parameters
    ----------
    spooled
        The closed pane.
    state
        What the shard has acknowledged before.
    index, shards
        Which shard, of how many.
    profile
        The whole profile.

    Returns
    -------
    Pane
        With the counts of the shard's features, and with totals of what this shard has taken. Rows
        that it never got (a damaged spool file) are reported as lost too, so that the totals always
        match.

    Raises
    ------
    ProfileMismatch
        The pane was counted with another profile, so that its features cannot be found.
    """
    pane = spooled.pane
    unheard = max(0, pane.rows_before + pane.lost_before - state.accounted)
    lost = Counter(pane.lost) + Counter(state.pending) + Counter({str(Lost.CORRUPT): unheard})
    counts = pane.counts
    if shards > 1:
        counts = Counts.from_bytes(counts, profile).select(profile.shard(index, shards)).to_bytes()
    return replace(
        pane,
        shard=index,
        shards=shards,
        counts=counts,
        lost=dict(sorted(lost.items())),
        rows_before=state.rows,
        lost_before=state.lost,
    )


def state_after(state: ShardState, message: Pane, outcome: Outcome) -> ShardState:
    """Return the shard's state once it took or refused a message."""
    if outcome is Outcome.TAKEN:
        return ShardState(message.pane, state.rows + message.rows, state.lost + sum(message.lost.values()))
    pending = Counter(message.lost) + Counter({str(Lost.REFUSED): message.rows})
    return replace(state, pane=message.pane, pending=dict(sorted(pending.items())))


@dataclass(slots=True)
class SendTotals:
    """Totals sent since the process started; for the metrics."""

    acknowledged: int = 0
    refused: int = 0
    refused_rows: int = 0


@dataclass(slots=True)
class _Shard:
    """One shard's way, state and waiting time."""

    index: int
    transport: Transport
    retry: Retry
    said: int = -1  # the status that was last spoken of in the log


class Sender:
    """Sends the spool's panes to every shard.

    Parameters
    ----------
    spool
        The closed panes.
    state_file
        Remembers what each shard has taken.
    profile
        The whole profile; sent to an aggregator that does not know it.
    transports
        The way to each shard's aggregator, in shard order.
    clock
        Monotonic seconds.
    rng
        Jitter of the waiting times.
    observe
        Gets the seconds that each PUT took.

    Raises
    ------
    ProfileError
        There are more shards than monitored features.
    """

    def __init__(
        self,
        spool: Spool,
        state_file: StateFile,
        profile: Profile,
        transports: Sequence[Transport],
        *,
        clock: Callable[[], float],
        rng: random.Random,
        observe: Callable[[float], None] = lambda _: None,
    ) -> None:
        _check_shards(profile, len(transports))
        self.totals = SendTotals()
        self._spool = spool
        self._state_file = state_file
        self._profile = profile
        self._clock = clock
        self._observe = observe
        self._shards = [_Shard(i, transport, Retry(rng)) for i, transport in enumerate(transports)]
        self._sent = recover_sent(state_file.content, len(transports))
        self._refused: set[int] = set()
        self._forget_up_to(self._everywhere)

    @property
    def _everywhere(self) -> int:
        """The last pane that every shard took or refused."""
        return min(state.pane for state in self._sent.shards)

    def step(self) -> float | None:
        """Send each shard its next pane if it is time to; seconds until the next is due, None if none waits.

        Raises
        ------
        OSError
            The state could not be stored; the pane will be sent again.
        """
        waits = []
        for shard in self._shards:
            if shard.retry.due <= self._clock():
                self._send_next(shard)
            if self._spool.after(self._sent.shards[shard.index].pane) is not None:
                waits.append(max(0.0, shard.retry.due - self._clock()))
        return min(waits, default=None)

    def _send_next(self, shard: _Shard) -> None:
        state = self._sent.shards[shard.index]
        pane = self._spool.after(state.pane)
        if pane is None:
            return
        try:
            spooled = self._spool.load(pane)
            message = message_for(spooled, state, shard.index, self._profile, len(self._shards))
        except (WireError, ProfileMismatch) as error:
            logger.error("pane %d cannot be sent: %s; its rows are reported lost (corrupt)", pane, error)
            self._settle(shard, replace(state, pane=pane), self._sent.position, is_refused=True)
            return
        outcome = self._deliver(shard, message)
        if outcome in (Outcome.TAKEN, Outcome.REFUSED):
            shard.retry.succeed()
            is_refused = outcome is Outcome.REFUSED
            if is_refused and pane not in self._refused:
                self.totals.refused_rows += message.rows
            self._settle(shard, state_after(state, message, outcome), spooled.position, is_refused=is_refused)
        else:
            shard.retry.fail(self._clock(), slowly=outcome is Outcome.MISCONFIGURED)

    def _deliver(self, shard: _Shard, message: Pane) -> Outcome:
        """Send a pane, and before it the profile if the aggregator asks for it."""
        path = pane_path(message.model, message.profile, message.pane, message.instance)
        answer = self._put(shard, path, message.to_bytes())
        if answer.status == 404 and message.profile != self._profile.hash:
            return Outcome.REFUSED  # nobody has that profile's document any more
        if answer.status == 404:
            document = self._put(
                shard, profile_path(message.model, message.profile), self._profile.to_bytes()
            )
            if document.status not in (200, 201):
                wrong = 400 <= document.status < 500
                return self._say(shard, document, Outcome.MISCONFIGURED if wrong else Outcome.LATER)
            answer = self._put(shard, path, message.to_bytes())
        return self._say(shard, answer, _OUTCOMES.get(answer.status, Outcome.LATER), message)

    def _put(self, shard: _Shard, path: str, body: bytes) -> Answer:
        started = self._clock()
        answer = shard.transport.put(path, body)
        self._observe(self._clock() - started)
        return answer

    def _say(self, shard: _Shard, answer: Answer, outcome: Outcome, message: Pane | None = None) -> Outcome:
        """Log what is new about a shard's answers: a trouble's beginning, its end and every refusal."""
        where = f"aggregator {shard.index} answers {answer.status or 'nothing'}: {answer.text}"
        if outcome is Outcome.REFUSED and message is not None:
            logger.error("%s; pane %d with %d rows is refused for good", where, message.pane, message.rows)
        elif outcome is not Outcome.TAKEN and answer.status != shard.said:
            level = logging.ERROR if outcome is Outcome.MISCONFIGURED else logging.WARNING
            logger.log(level, "%s; it will be tried again", where)
        elif outcome is Outcome.TAKEN and shard.said not in (-1, answer.status):
            logger.info("aggregator %d takes panes again", shard.index)
        shard.said = -1 if outcome is Outcome.TAKEN else answer.status
        return outcome

    # --- what was settled ------------------------------------------------------------------------------

    def _settle(self, shard: _Shard, state: ShardState, position: Position, *, is_refused: bool) -> None:
        """Store a shard's new state, then forget the panes that every shard is through with."""
        states = list(self._sent.shards)
        states[shard.index] = state
        # Shards go through the same panes in order, so when the hindmost moves, it is to `state.pane`.
        is_everywhere = min(s.pane for s in states) > self._everywhere
        sent = Sent(tuple(states), position if is_everywhere else self._sent.position)
        self._state_file.write(sent.to_bytes())
        self._sent = sent
        if is_refused:
            self._refused.add(state.pane)
        self._forget_up_to(self._everywhere)

    def _forget_up_to(self, everywhere: int) -> None:
        for pane in self._spool.panes():
            if pane > everywhere:
                return
            if pane in self._refused:
                self._spool.set_aside(pane)
                self._refused.discard(pane)
                self.totals.refused += 1
            else:
                self._spool.remove(pane)
                self.totals.acknowledged += 1


def _check_shards(profile: Profile, shards: int) -> None:
    """Each shard needs a feature of its own; without one nothing could ever be sent."""
    most = len(profile.monitored)
    if shards > most:
        raise ProfileError(
            f"the profile has {most} monitored features, and each aggregator needs one",
            argument=found("shards", shards, f"{shards} aggregators"),
            step=f"set spec.aggregator.replicas to at most {most}",
        )


def recover_sent(content: bytes, shards: int) -> Sent:
    """Return the stored state; of another number of shards, what all of them had."""
    if not content:
        return Sent((ShardState(),) * shards)
    sent = Sent.from_bytes(content)
    if len(sent.shards) == shards:
        return sent
    return replace(sent, shards=(min(sent.shards, key=lambda state: state.pane),) * shards)
