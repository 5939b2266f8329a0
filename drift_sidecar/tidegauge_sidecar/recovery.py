"""The state that earlier processes left: the instance's name and the position in the log."""

import json
import logging
import re
import secrets
from typing import IO, Final

from tidegauge.errors import ProfileError, WireError
from tidegauge_sidecar.folder import Folder
from tidegauge_sidecar.position import Position
from tidegauge_sidecar.spool import FOLDER, Sent, Spool, StateFile

__all__ = ["lock_folder", "name_instance", "recover_position"]

_INSTANCE: Final = f"{FOLDER}/instance"
_NAME: Final = re.compile(r"i[0-9a-f]{16}")
logger = logging.getLogger(__name__)


def lock_folder(folder: Folder) -> IO[bytes]:
    """Keep other sidecars away while the result is open; raises `BlockingIOError` when one is there."""
    folder.make(FOLDER)
    lock = folder.lock(f"{FOLDER}/lock")
    if lock is None:
        raise BlockingIOError(
            f"{folder.path}: another sidecar reads this log folder; a folder has one at a time"
        )
    return lock


def name_instance(folder: Folder, pane_seconds: int) -> str:
    """Return the instance's name, made at random when the log volume is new.

    Raises
    ------
    ProfileError
        The volume's panes were cut with another length, so that their ids would mean other times.
    """
    stored = folder.read(_INSTANCE)
    if not stored:
        stored = json.dumps({"instance": "i" + secrets.token_hex(8), "pane_seconds": pane_seconds}).encode()
        folder.write(f"{_INSTANCE}.new", stored)
        folder.rename(f"{_INSTANCE}.new", _INSTANCE)
    document = json.loads(stored)
    if document["pane_seconds"] != pane_seconds:
        raise ProfileError(
            f"this log folder's panes are of {document['pane_seconds']} s",
            argument="pane_seconds",
            value=pane_seconds,
            step="keep that length, or give the server and the sidecar a new folder",
        )
    return str(document["instance"])


def recover_position(spool: Spool, state_file: StateFile) -> Position:
    """Return the committed position: that of the newest spooled pane, else of the last acknowledged one."""
    panes = spool.panes()
    for pane in reversed(panes):
        try:
            return spool.load(pane).position.at_pane(panes[-1])
        except WireError as error:
            logger.error("pane %d: %s; its rows will be reported lost", pane, error)
    acknowledged = Sent.from_bytes(state_file.content).position if state_file.content else Position()
    return acknowledged.at_pane(max(panes, default=acknowledged.pane))
