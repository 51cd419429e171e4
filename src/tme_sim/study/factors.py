"""Factors: what a study varies, over which values, and how a value is written into the scenario.

A factor sets one or more keys of a scenario, in the language of ``--set``.  It has numbers in one unit, from `low` to
`high` or as a list, or a list of choices (text).  A date has numbers too: days from day 0, or from what `relative_to`
names (``"first tace"``), negative ones before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tme_sim.quantities import convert, same_dimension
from tme_sim.validation import shortest

__all__ = ["Factor", "Value"]

Value = float | str


@dataclass(frozen=True)
class Factor:
    """One thing that is varied.

    `keys` are what it sets.  Numbers are in `unit`, between `low` and `high` (spread over the logarithm where `scale`
    is "log"), rounded to multiples of `step` if that is not 0.  `values` are numbers or choices; if they are given, a
    design takes only them.  `date` writes numbers as dates, relative to `relative_to` or to day 0; `whole` writes
    whole numbers.  `arms` names the arms in which it acts; none means all.
    """

    name: str
    keys: tuple[str, ...]
    unit: str = "1"
    low: float = math.nan
    high: float = math.nan
    scale: str = "linear"
    step: float = 0.0
    levels: int = 5
    values: tuple[Value, ...] = ()
    label: str = ""
    date: bool = False
    relative_to: str = ""
    whole: bool = False
    arms: tuple[str, ...] = ()

    @property
    def is_choice(self) -> bool:
        """Whether its values are texts, not numbers."""
        return bool(self.values) and isinstance(self.values[0], str)

    def grid(self) -> tuple[Value, ...]:
        """The values of a grid: those listed, or `levels` evenly spread from `low` to `high`."""
        if self.values:
            return self.values
        return tuple(dict.fromkeys(self.at(u) for u in np.linspace(0.0, 1.0, self.levels)))

    def at(self, u: float) -> Value:
        """The value at `u` in [0, 1]: 0 is `low` or the first listed, 1 is `high` or the last."""
        if self.values:
            return self.values[min(int(u * len(self.values)), len(self.values) - 1)]
        if self.scale == "log":
            value = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + u * (self.high - self.low)
        if u <= 0.0 or u >= 1.0:
            value = self.low if u <= 0.0 else self.high  # not a rounding error beyond a physical bound
        value = float(f"{value:.12g}")  # digits that a file would hold
        return self.rounded(min(max(value, self.low), self.high))

    def rounded(self, value: float) -> float:
        """A number to the next multiple of `step`; decimal steps give the decimal number that a file would hold."""
        if self.step:
            value = float(f"{round(value / self.step) * self.step:.12g}")
        return float(round(value)) if self.whole else float(value)

    def written(self, value: Value) -> Value | int:
        """A value as the scenario holds it: ``"14 day after first tace"``, ``"0.05 1/day"``, 0.5, 3 or a choice."""
        if isinstance(value, str):
            return value
        if self.date:
            return self._as_date(value)
        if self.whole:
            return int(value)
        if self.unit == "1":
            return float(value)
        return f"{shortest(self._in_minutes(float(value)))} {self.unit}"

    def _in_minutes(self, value: float) -> float:
        """A duration of a calendar (time between doses, a hold) to the next whole minute, which it must be."""
        if not self.keys[0].startswith("protocol.") or not same_dimension(self.unit, "day"):
            return value
        minutes = convert(value, self.unit, "day") * 1440
        if abs(round(minutes) - minutes) <= 1e-6 * max(1.0, abs(minutes)):
            return value
        return convert(round(minutes) / 1440, "day", self.unit)

    def _as_date(self, value: float) -> str:
        days = convert(float(value), self.unit, "day")
        days = round(days * 1440) / 1440  # dates are whole minutes
        text = f"{days:.9f}".rstrip("0").rstrip(".") if days != int(days) else str(int(days))
        if not self.relative_to:
            return f"day {text}"
        if days == 0:
            return f"at {self.relative_to}"
        return f"{text.lstrip('-')} day {'before' if days < 0 else 'after'} {self.relative_to}"

    @property
    def title(self) -> str:
        """What an axis calls it."""
        return self.label or self.name.replace("_", " ")
