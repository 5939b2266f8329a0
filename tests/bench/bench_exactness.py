"""D of merged counts against `scipy.stats.ks_2samp` on the pooled raw rows, in random cases."""

from bench.rows import Row
from support.exactness import run_case

CASES = 3600  # so that more than 2,000 keep all distinct values


def run(quick: bool) -> list[Row]:
    """Equal with all distinct values kept; inside the published bracket otherwise."""
    cases = [run_case(seed) for seed in range(CASES // 9 if quick else CASES)]
    exact = [case for case in cases if case.exact]
    cut = [case for case in cases if not case.exact]
    largest = max(abs(error) for case in exact for error in case.errors)
    below = max(-min(case.errors) for case in cut)
    outside = sum(not case.holds for case in cut)
    return [
        Row(
            f"all distinct values kept, {len(exact)} cases: largest error of D, D+, D-",
            f"{largest:.1e}",
            "<= 1e-12",
            largest <= 1e-12,
            {"cases": len(exact), "largest_error": largest},
        ),
        Row(
            f"fewer cut points, {len(cut)} cases: outside the published bracket",
            f"{outside} (D at most {below:.4f} too small, never too large)",
            "0",
            outside == 0,
            {"cases": len(cut), "outside": outside, "largest_shortfall": below},
        ),
    ]
