"""Intervals of shares.

In: counts. Out: 95 % intervals.
"""


def wilson_interval(count: float, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    `count` may be a fraction: a mean of several shares of the same `total`. Of nothing (`total` 0)
    nothing is known: 0 to 1.
    """
    if total == 0:
        return 0.0, 1.0
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(count, total, method="wilson")
    return float(low), float(high)
