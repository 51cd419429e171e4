"""Which parameters the targets can inform: a linear Gaussian account of what each target says of each parameter.

With slopes J [target, parameter] per score, prior variance 1 and noise S, the posterior covariance is
(1 + J' S^-1 J)^-1.  A parameter whose variance barely shrinks keeps its prior and stays uncertain in every prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Choice", "choose"]


DOUBT = 1.0  # so many standard errors are taken off a slope, in squares: what chance alone would give


@dataclass(frozen=True)
class Choice:
    """What was chosen: `places` of parameters, most informed first; for all k parameters the share of prior variance
    taken (`reduction`), and by target the information (slope over noise, squared) [target, parameter]."""

    places: tuple[int, ...]
    reduction: np.ndarray
    information: np.ndarray


def choose(slopes: np.ndarray, errors: np.ndarray, noise: np.ndarray, *, most: int, least: float) -> Choice:
    """Choose at most `most` parameters of which targets take at least the share `least` of the prior variance.

    Args:
        slopes, errors: of targets per score and their standard errors [target, parameter].
        noise: standard deviation of each target's observation (target).
    """
    believed = slopes * np.sqrt(np.clip(1.0 - (DOUBT * errors / np.where(slopes == 0, np.inf, slopes)) ** 2, 0.0, 1.0))
    information = (believed / noise[:, None]) ** 2
    scaled = believed / noise[:, None]
    covariance = np.linalg.inv(np.eye(slopes.shape[1]) + scaled.T @ scaled)
    reduction = 1.0 - np.diag(covariance)
    order = np.argsort(-reduction, kind="stable")
    places = tuple(int(i) for i in order[:most] if reduction[i] >= least)
    return Choice(places, reduction, information)
