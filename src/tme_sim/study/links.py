"""Factors that follow from others: ``end = start + 84 day``, ``pd1 = anti_vegf + gap``.

Such a factor adds no points to a design.  Its value is computed at every point by an expression of the factors above
it, with units (:mod:`tme_sim.study.expressions`), and written into the scenario as any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tme_sim.diagnostics import InputError, Problem, quoted
from tme_sim.quantities import QuantityError, dimensions, internal
from tme_sim.study.expressions import Expression, ExpressionError, parse_expression
from tme_sim.study.factors import Factor, Value

__all__ = ["Link", "link_of", "linked_values"]


@dataclass(frozen=True)
class Link:
    """A factor without values of its own, and the expression that gives them; `units` of the names that it reads."""

    factor: Factor
    expression: Expression
    units: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of its column."""
        return self.factor.name

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the factors that it follows."""
        return self.expression.names

    def value(self, values: Mapping[str, Value]) -> float:
        """Its value, in the unit of its factor, where the factors have `values`; NaN where there is none."""
        found = self.expression.number({n: internal(float(values[n]), self.units[n]) for n in self.reads})
        factor = self.factor
        base = internal(1.0, factor.unit)
        return factor.rounded(float(f"{found / base:.12g}")) if math.isfinite(found) else math.nan


def link_of(factor: Factor, text: str, above: Sequence[Factor], unit: str | None) -> Link:
    """The link that computes `factor` by `text` from the number factors `above` it; `unit` of its values, if given.

    A date counts from what the dates that it reads count from.

    Raises:
        ExpressionError: what is no expression of theirs, or is of another kind than the factor.
        QuantityError: dates that count from different days.
    """
    units = {f.name: f.unit for f in above if not f.is_choice}
    expression = parse_expression(text, tuple(units), {}, units)
    if not expression.names:
        raise ExpressionError('reads no factor; give one value by "values" or in [set]')
    own = unit or factor.unit
    if dimensions(own) != expression.dimension:
        raise ExpressionError(f"gives no {own}, which {factor.keys[0]} takes" if unit is None else f"gives no {own}")
    dates = {f.name: f.relative_to for f in above if f.date and f.name in expression.names}
    origin = factor.relative_to or next(iter(dates.values()), "")
    for name, other in dates.items():
        if factor.date and other.lower().split() != origin.lower().split():
            raise QuantityError(f"counts from {_day(origin)}, but {quoted(name)} from {_day(other)}; give both the "
                                'same "relative_to"')  # fmt: skip
    return Link(replace(factor, unit=own, relative_to=origin if factor.date else ""), expression, units)


def _day(relative_to: str) -> str:
    return quoted(relative_to) if relative_to else "day 0"


def linked_values(links: Sequence[Link], values: Mapping[str, Value], place: str) -> dict[str, float]:
    """Values of the links where the factors have `values`; a link is left out where none of its factors has one.

    Raises:
        InputError: some of its factors have a value and some not, or there is no number; `place` is the study's file.
    """
    known = dict(values)
    out: dict[str, float] = {}
    for link in links:
        lacking = [n for n in link.reads if n not in known]
        if len(lacking) == len(link.reads):
            continue
        if lacking:
            raise InputError(Problem(place, link.name, (
                f"follows {quoted(lacking[0])}, which has no value at a point where the others have one")))
        found = link.value(known)
        if math.isnan(found):
            at = ", ".join(f"{n} = {known[n]:g}" for n in link.reads)
            raise InputError(Problem(place, link.name, f"has no number at {at}"))
        out[link.name] = known[link.name] = found
    return out
