"""The mean of what patients have or are, and how far chance in few of them leaves it open."""

from __future__ import annotations

import numpy as np

__all__ = ["mean_and_error"]


def mean_and_error(values: np.ndarray, weights: np.ndarray, statistic: str) -> tuple[float, float]:
    """Weighted mean of one value per patient (n) and its standard error; NaN, NaN where nothing weighs.

    None or all of few patients is not certain: to a share of patients, half a patient is added at 0 and half at 1.  Its
    error is then the standard deviation of Jeffreys' posterior, Beta(x + 1/2, n - x + 1/2).  The number of patients n
    is the effective one of the weights, (sum w)^2 / sum w^2.

    Args:
        statistic: `share`, `after` (a share free of an event, between 0 and 1 where a date is uncertain), or anything
            else for a mean; a `share` of values other than 0 and 1 is a mean, to which nothing is added.

    Source: Brown, Cai and DasGupta, DOI 10.1214/ss/1009213286 (Jeffreys' interval); Kish, Survey Sampling, 1965 (the
    effective number); both from memory.
    """
    total = float(weights.sum())
    if not len(values) or total <= 0:
        return float("nan"), float("nan")
    mean = float((weights * values).sum() / total)
    counted = statistic == "after" or (statistic == "share" and bool(np.isin(values, (0.0, 1.0)).all()))
    if not counted:
        return mean, float(np.sqrt((weights**2 * (values - mean) ** 2).sum()) / total)
    n = total**2 / float((weights**2).sum())
    square = float((weights * values**2).sum() / total)
    variance = (n * square + 0.5) / (n + 1.0) - ((n * mean + 0.5) / (n + 1.0)) ** 2
    return mean, float(np.sqrt(variance / (n + 2.0)))
