"""How long to wait between tries. Pure: failures and randomness come in as arguments."""

from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a key that failed is tried again.

    Parameters
    ----------
    first_seconds, most_seconds
        The wait after the first failure, doubled with each further one, and its bound.
    jitter
        Share of the wait that is random, so that keys that failed together do not come back together.
    """

    first_seconds: float = 0.5
    most_seconds: float = 300.0
    jitter: float = 0.5

    def wait_seconds(self, failures: int, random: float) -> float:
        """The wait after so many failures in a row; `random` is from [0, 1)."""
        whole = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
        return whole * (1.0 - self.jitter * random)
