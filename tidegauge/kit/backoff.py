"""How long to wait between tries. Pure: failures and randomness come in as arguments."""

from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double with each failure in a row, up to a bound.

    Parameters
    ----------
    first_seconds, most_seconds
        The wait after the first failure, and the longest.
    jitter
        Share of the wait that is random, 0 to 1, so that what failed together does not come back together.
    """

    first_seconds: float
    most_seconds: float
    jitter: float = 0.5

    def wait_seconds(self, failures: int, random: float) -> float:
        """Return the wait after so many failures in a row, 0 after none; `random` is from [0, 1)."""
        if failures < 1:
            return 0.0
        whole = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
        return whole * (1.0 - self.jitter * random)

    def longest_seconds(self, random: float) -> float:
        """Return the wait where nothing will change soon."""
        return self.most_seconds * (1.0 - self.jitter * random)
