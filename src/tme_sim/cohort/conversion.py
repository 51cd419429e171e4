"""Conversion to surgery: how many patients could be operated at each visit, and when most of them could.

Of patients who could not be resected at entry, by the rule of :mod:`tme_sim.observe.resection`.  A patient counts at
all visits from the first to the last that found the tumour resectable, whatever those between them measured; who died
or was lost counts as not resectable, as in an intention to treat.  Visits after the data of the patient who entered
last are closed are left out: there, patients would seem to be lost who are only no longer looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tme_sim.cohort.running import TrialResult
from tme_sim.definitions import DAYS_PER_MONTH

__all__ = ["Conversion", "conversion_of"]


@dataclass(frozen=True)
class Conversion:
    """Conversion of an arm.

    `days` (V) are visits after entry while the data of all are open, `operable` (V) patients who could be operated at
    each, `ever` (V) those who could at it or at one before, `patients` all who could not at entry.
    """

    days: np.ndarray
    operable: np.ndarray
    ever: np.ndarray
    patients: int

    @property
    def best(self) -> int | None:
        """Place of the first visit at which most patients could be operated; None if nobody ever could."""
        return int(np.argmax(self.operable)) if self.operable.any() else None

    def as_dict(self) -> dict[str, float]:
        """Entries of an arm's summary: share of these patients operable at the best visit, and its month.

        NaN if nobody ever was.
        """
        if self.best is None:
            return {"operable_most": math.nan, "operable_most_month": math.nan}
        share = float(self.operable[self.best] / self.patients)
        return {"operable_most": share, "operable_most_month": float(self.days[self.best] / DAYS_PER_MONTH)}


def conversion_of(result: TrialResult, arm: str, who: np.ndarray | None = None) -> Conversion:
    """Conversion of an arm, of the patients `who` (P, bool) or of all, within what follow-up saw."""
    first, last = (result.since_entry(arm, name) for name in ("resectable_day", "resectable_until"))
    those = ~(first <= 0.0)  # NaN: never
    if who is not None:
        those &= who
    visits = np.asarray(result.visits[arm], dtype=np.float64) - result.begin(arm)
    days = visits[(visits > 0.0) & (visits <= result.closed)]
    seen = days[None, :] <= result.follow_up[those, None]
    reached = first[those, None] <= days[None, :]
    return Conversion(
        days,
        (reached & (days[None, :] <= last[those, None]) & seen).sum(axis=0),
        np.maximum.accumulate(reached & seen, axis=1).sum(axis=0),
        int(those.sum()),
    )
