"""Dimensions of the symbols in a network's expressions, including those of unnamed numbers.

Laws hold almost no numbers with a unit.  Those that do come from the oxygen classes (mmHg) and from the resting values
of switched-off mechanisms: they are what remains once the named quantities around them are known.  So dimensions are
found from above (what an expression must be) as well as from below (what its symbols are).
"""

from __future__ import annotations

from fractions import Fraction

import sympy

from tme_sim.compiler.functions import Exp, Log, Power
from tme_sim.compiler.symbolic import Model
from tme_sim.quantities import BASE_UNITS, dimensions

Dim = tuple[Fraction, ...]
NONE: Dim = (Fraction(0),) * len(BASE_UNITS)
PER_DAY: Dim = (Fraction(-1), *NONE[1:])


def dim_of(unit: str) -> Dim:
    """Exponents of a unit over the base units."""
    return tuple(Fraction(e) for e in dimensions(unit))


def times(a: Dim, b: Dim) -> Dim:
    """Dimension of a product."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def raised(a: Dim, n: Fraction) -> Dim:
    """Dimension of a power."""
    return tuple(x * n for x in a)


def over(a: Dim, b: Dim) -> Dim:
    """Dimension of a quotient."""
    return times(a, raised(b, Fraction(-1)))


class Dimensions:
    """Dimension of every name of a model: declared ones, and those of tissue means and constants, worked out."""

    def __init__(self, model: Model):
        from tme_sim.compiler.unitcheck import units_of

        self.known: dict[str, Dim] = {n: dim_of(u) for n, u in units_of(model.network).items()}
        for process in model.network.processes:
            self.known[f"rate_{process.name}"] = times(self.known.get(process.of, NONE), PER_DAY)
        self.decimals_are_plain = False
        self._from_above(model)
        self.decimals_are_plain = True  # what is left stands beside plain decimals only, as in 0.5 + c*x
        self._from_above(model)
        self.decimals_are_plain = False
        for name in (*model.constants, *model.nodes):  # nothing said what it is: take it as it stands
            expr = model.constants[name] if name in model.constants else model.nodes[name].expr
            self.known.setdefault(name, self.of(expr) or NONE)

    def _from_above(self, model: Model) -> None:
        for name, node in reversed(list(model.nodes.items())):
            self.impose(node.expr, self.known.get(name))
        for name, expr in reversed(list(model.constants.items())):
            self.impose(expr, self.known.get(name))

    def of(self, expr: sympy.Expr) -> Dim | None:
        """Dimension of an expression, from below; None where only numbers decide."""
        return self.sized(expr)[0]

    def sized(self, expr) -> tuple[Dim | None, bool]:
        """Dimension, and whether it is certain (no decimal number could carry a unit)."""
        if expr.is_Symbol:
            return self.known.get(expr.name), expr.name in self.known
        if expr.is_Number:  # whole numbers and ratios come from the text of a law, where they are plain
            plain = expr.is_Rational or self.decimals_are_plain
            return (NONE, True) if plain else (None, False)
        if expr.is_Add:
            found = [self.sized(a) for a in expr.args]
            sure = [d for d, certain in found if certain]
            if sure:
                return sure[0], True
            return next((d for d, _ in found if d is not None), None), False
        if expr.is_Mul:
            total, certain, any_known = NONE, True, False
            for factor in expr.args:
                if factor.is_Number:
                    certain = certain and factor.is_Rational
                    continue
                d, sure = self.sized(factor)
                certain = certain and sure
                any_known = any_known or d is not None
                total = times(total, d or NONE)
            return (total if any_known else None), certain and any_known
        if expr.is_Pow:
            base, exponent = expr.as_base_exp()
            d, sure = self.sized(base)
            return (None if d is None else raised(d, _fraction(exponent))), sure
        return NONE, True  # exp, log and guarded powers are dimensionless

    def impose(self, expr: sympy.Expr, wanted: Dim | None) -> None:
        """Note what `expr` being of dimension `wanted` says about the unknown names in it."""
        if expr.is_Symbol:
            if wanted is not None:
                self.known.setdefault(expr.name, wanted)
        elif expr.is_Add:
            target, sure = self.sized(expr)
            if not sure and wanted is not None:
                target = wanted
            for term in expr.args:
                self.impose(term, target)
        elif expr.is_Mul:
            factors = [f for f in expr.args if not f.is_Number]
            sizes = [self.sized(f) for f in factors]
            unsure = [f for f, (_, sure) in zip(factors, sizes, strict=True) if not sure]
            if len(unsure) == 1 and wanted is not None and all(f.is_Rational for f in expr.args if f.is_Number):
                rest = wanted
                for d, sure in sizes:
                    if sure:
                        rest = over(rest, d)
                self.impose(unsure[0], rest)
                factors.remove(unsure[0])
            for f in factors:
                self.impose(f, self.of(f))
        elif expr.is_Pow:
            base, exponent = expr.as_base_exp()
            self.impose(base, None if wanted is None else raised(wanted, 1 / _fraction(exponent)))
        elif isinstance(expr, (Exp, Log, Power)):
            for a in expr.args:
                self.impose(a, NONE)


def _fraction(exponent: sympy.Expr) -> Fraction:
    if not exponent.is_Rational:
        raise ValueError(f"a law raises to the power {exponent}: write non-integer powers as power(x, n)")
    return Fraction(int(exponent.p), int(exponent.q))
