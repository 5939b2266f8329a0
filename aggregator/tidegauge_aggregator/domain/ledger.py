"""Which panes were accepted: the rules, for any store.

For an hour a *digest* of each message is kept, so that other bytes under the same name are found out. Then it
is folded into one bit per instance and pane, kept as long as a pane of that age would be taken. So a pane is
counted once, whatever is sent again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .rows import Outcome

__all__ = ["PANES_PER_BLOCK", "block_of_bits", "fold", "judge", "merge_bits"]

PANES_PER_BLOCK: Final = 256  # panes whose bits are kept together


def block_of_bits(pane: int) -> int:
    """Return the number of the block that holds a pane's bit."""
    return pane // PANES_PER_BLOCK


def judge(pane: int, digest: bytes, stored: bytes | None, bits: bytes) -> Outcome | None:
    """Classify a pane that came before; None for a new one.

    Parameters
    ----------
    pane, digest
        The pane, and the digest of its message.
    stored
        The digest that is kept under its name; None where none is.
    bits
        The bits of its block, as `merge_bits` makes them; empty where none are kept.
    """
    if stored is not None:
        return Outcome.KNOWN if stored == digest else Outcome.CONFLICT
    is_known = int.from_bytes(bits, "little") >> pane % PANES_PER_BLOCK & 1
    return Outcome.KNOWN if is_known else None


def fold(accepted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Bits to set for accepted panes.

    Parameters
    ----------
    accepted
        Pane and instance of each.

    Returns
    -------
    dict
        By block and instance, a whole number with one bit for each pane.
    """
    bits: dict[tuple[int, int], int] = {}
    for pane, instance in accepted:
        place = block_of_bits(pane), instance
        bits[place] = bits.get(place, 0) | 1 << pane % PANES_PER_BLOCK
    return bits


def merge_bits(stored: bytes, more: int) -> bytes:
    """Return a block's bits with more of them set."""
    both = int.from_bytes(stored, "little") | more
    return both.to_bytes(PANES_PER_BLOCK // 8, "little")
