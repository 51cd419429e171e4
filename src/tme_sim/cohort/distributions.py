"""Distributions of a cohort file: each turns a standard normal number into a value by its quantile function.

All draws are made through a standard normal, so that a Gaussian copula (Nelsen, *An Introduction to Copulas*, 2006)
correlates any of them, also those that are choices or chances.  Bounds cut a distribution, they do not heap its values
at the ends.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field

from tme_sim.validation import Model

__all__ = ["KINDS", "Draw", "quantile"]

KINDS = ("lognormal", "normal", "uniform", "choice", "chance", "fixed")
NEEDED = {
    "lognormal": ("median", "spread"), "normal": ("mean", "spread"), "uniform": ("low", "high"),
    "choice": ("values", "weights"), "chance": ("probability",), "fixed": ("value",),
}  # fmt: skip
TINY = 1e-12


class Draw(Model):
    """One named draw of a cohort: its distribution in the unit it states, with source and grade."""

    distribution: Literal["lognormal", "normal", "uniform", "choice", "chance", "fixed"]
    median: float | None = Field(None, gt=0, description="of a lognormal")
    mean: float | None = Field(None, description="of a normal, before it is cut")
    spread: float | None = Field(
        None, ge=0, description="standard deviation: of the logarithm (lognormal) or of the value (normal)"
    )
    low: float | None = Field(None, description="nothing is drawn below")
    high: float | None = Field(None, description="nothing is drawn above")
    values: tuple[float | str, ...] = Field((), description="of a choice")
    weights: tuple[float, ...] = Field((), description="of the values; they need not add up to 1")
    probability: float | None = Field(None, ge=0, le=1, description="of 1 rather than 0 (chance)")
    value: float | str | None = Field(None, description="of every patient (fixed)")
    unit: str = Field("1", max_length=64, description="unit of all these numbers but the spread of a lognormal")
    source: str = Field(min_length=3, max_length=600, description="where the numbers come from")
    grade: Literal["high", "medium", "low", "assumed"]
    note: str = Field("", max_length=600)

    def mistakes(self) -> list[str]:
        """What is wrong with the numbers, in words; empty if nothing."""
        out = []
        needed = NEEDED[self.distribution]
        missing = [n for n in needed if getattr(self, n) in (None, ())]
        if missing:
            return [f"a {self.distribution} draw needs {' and '.join(missing)}"]
        allowed = {*needed, *(("low", "high") if self.distribution in ("lognormal", "normal", "uniform") else ())}
        spare = [n for n in ("median", "mean", "spread", "low", "high", "values", "weights", "probability", "value")
                 if n not in allowed and getattr(self, n) not in (None, ())]  # fmt: skip
        if spare:
            out.append(
                f"{spare[0]} does not belong to a {self.distribution} draw; it takes {', '.join(sorted(allowed))}"
            )
        if self.low is not None and self.high is not None and not self.low < self.high:
            out.append(f"low ({self.low:g}) must lie below high ({self.high:g})")
        if self.distribution == "choice":
            if len(self.values) != len(self.weights):
                out.append(f"has {len(self.values)} values and {len(self.weights)} weights; give one weight per value")
            elif min(self.weights) < 0 or sum(self.weights) <= 0:
                out.append("weights must be at least 0, and one of them above")
            if len({type(v) is str for v in self.values}) > 1:
                out.append("values must be all numbers or all text")
        if not out and self.distribution in ("lognormal", "normal"):
            lower, upper = _shares(self)
            if upper - lower < 1e-6:
                out.append("low and high leave nothing of the distribution (less than a millionth of its draws)")
        return out

    @property
    def text(self) -> str:
        """The distribution in a few words."""
        unit = "" if self.unit == "1" else f" {self.unit}"
        bounds = f", {self.low:g} to {self.high:g}" if self.low is not None and self.high is not None else ""
        if self.distribution == "lognormal":
            return f"log-normal, median {self.median:g}{unit}, sd of the log {self.spread:g}{bounds}"
        if self.distribution == "normal":
            return f"normal, {self.mean:g} ± {self.spread:g}{unit}{bounds}"
        if self.distribution == "uniform":
            return f"uniform, {self.low:g} to {self.high:g}{unit}"
        if self.distribution == "chance":
            return f"{100 * self.probability:g} % of patients"
        if self.distribution == "fixed":
            return f"{self.value}{unit}, all patients"
        total = sum(self.weights)
        return ", ".join(f"{v if isinstance(v, str) else format(v, 'g')} {100 * w / total:.3g} %"
                         for v, w in zip(self.values, self.weights, strict=True))  # fmt: skip


def quantile(draw: Draw, z: float) -> Any:
    """Value of a draw at the standard normal number `z`, in the draw's unit, rounded to six digits.

    Six digits keep the last bits of a C library out of a scenario; no such number is known better.
    """
    if draw.distribution == "fixed":
        return draw.value
    u = _normal_share(z)
    if draw.distribution == "chance":
        return 1.0 if u > 1.0 - draw.probability else 0.0
    if draw.distribution == "choice":
        return draw.values[_place(draw.weights, u)]
    if draw.distribution == "uniform":
        return _rounded(draw.low + u * (draw.high - draw.low))
    lower, upper = _shares(draw)
    cut = _normal_value(min(max(lower + u * (upper - lower), TINY), 1.0 - TINY)) if (lower, upper) != (0.0, 1.0) else z
    if draw.distribution == "normal":
        value = draw.mean + draw.spread * cut
    else:
        value = draw.median * math.exp(draw.spread * cut)
    value = min(max(value, -math.inf if draw.low is None else draw.low), math.inf if draw.high is None else draw.high)
    return _rounded(value)


def _place(weights: tuple[float, ...], u: float) -> int:
    total, reached = sum(weights), 0.0
    for i, weight in enumerate(weights):
        reached += weight / total
        if u <= reached and weight > 0:
            return i
    return max(i for i, weight in enumerate(weights) if weight > 0)


@lru_cache(maxsize=1024)
def _shares(draw: Draw) -> tuple[float, float]:
    """Shares of the whole distribution that lie below `low` and below `high`."""

    def share(bound: float | None, otherwise: float) -> float:
        if bound is None or (draw.distribution == "lognormal" and bound <= 0):
            return otherwise if bound is None else 0.0
        x = math.log(bound / draw.median) if draw.distribution == "lognormal" else bound - draw.mean
        if draw.spread == 0:
            return 0.0 if x < 0 or (x == 0 and otherwise == 0.0) else 1.0
        return _normal_share(x / draw.spread)

    return share(draw.low, 0.0), share(draw.high, 1.0)


def _normal_share(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _normal_value(share: float) -> float:
    from tme_sim.engine.rng import normal_quantile

    return float(normal_quantile(share))


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
