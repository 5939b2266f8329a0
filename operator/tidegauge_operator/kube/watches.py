"""Which watches are open: learned from the answers to Kopf's requests. Plain state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Final

from tidegauge_operator.kube.kinds import CHILDREN, MODELS, PODS, Kind

__all__ = ["RETRY_SECONDS", "WATCHED", "OpenWatches", "watched_paths"]

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 30.0  # how often a watch that was refused for long is tried again
WATCHED: Final = (MODELS, PODS, *(kind for kind in CHILDREN if kind.watched))


def watched_paths(namespaces: Sequence[str], known_kinds: Collection[str]) -> set[str]:
    """Return the paths of all watches that can be open, where these optional kinds are known."""

    def known(kind: Kind) -> bool:
        return not kind.optional or kind.name in known_kinds

    return {kind.path(namespace) for kind in WATCHED if known(kind) for namespace in namespaces or (None,)}


class OpenWatches:
    """The watches that are open, and those that are not.

    Parameters
    ----------
    wanted
        Returns the paths whose watches should be open now.
    opened
        Called when one more watch is open; `True` if it began with a list, so that deletions may have been
        missed.
    count_error
        Called with the reason when a watch is refused.
    """

    def __init__(
        self,
        wanted: Callable[[], set[str]],
        opened: Callable[[bool], None],
        count_error: Callable[[str], None],
    ) -> None:
        self._wanted, self._opened, self._count_error = wanted, opened, count_error
        self._open: set[str] = set()
        self._requested: set[str] = set()
        self._listed: set[str] = set()
        self._refused: set[str] = set()
        self._reached = False

    def close_all(self) -> None:
        """Record that Kopf has ended."""
        self._open, self._requested, self._reached = set(), set(), False

    def closed(self) -> set[str]:
        """Return the paths that should be watched and are not."""
        return self._wanted() - self._open

    def unrequested(self) -> set[str]:
        """Return the wanted paths that Kopf did not ask for, though it has reached the API server."""
        return self._wanted() - self._requested if self._reached else set()

    def see_answer(self, path: str, is_watch: bool, status: int) -> None:
        """Record the HTTP status that the API server answered Kopf's request for a path with."""
        self._requested.add(path)
        self._reached |= status == 200
        if status == 403:
            self._refuse(path)
        elif status == 200 and is_watch:
            self._open_one(path)
        elif status == 200:
            self._listed.add(path)

    def _open_one(self, path: str) -> None:
        self._open.add(path)
        if path in self._refused:
            self._refused.discard(path)
            logger.info("%s may be watched now", path)
        self._opened(path in self._listed)
        self._listed.discard(path)

    def _refuse(self, path: str) -> None:
        if path not in self._wanted():
            return
        self._open.discard(path)
        if path not in self._refused:
            self._refused.add(path)
            self._count_error("WatchForbidden")
            logger.warning(
                "%s may not be watched, it is tried again every %g s: give the operator the rights list and "
                "watch; until then changes of such objects are not seen",
                path,
                RETRY_SECONDS,
            )
