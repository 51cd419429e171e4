"""SymPy expressions as SBML mathematics: content MathML in which every number carries its unit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from xml.sax.saxutils import escape

import sympy

from tme_sim.compiler.functions import Exp, Log, Power
from tme_sim.export.dimension import NONE, Dim, Dimensions, over, raised

POWER = "guarded_power"  # the function definition every exported model carries
TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time"> time </csymbol>'


def number(value: float, unit: str) -> str:
    """A literal with its unit.  Plain decimals read back to the same float; very small and large ones need `<sep/>`."""
    if value == int(value) and abs(value) < 2**31:
        return f'<cn sbml:units="{unit}" type="integer"> {int(value)} </cn>'
    if 1e-40 < abs(value) < 1e40:
        return f'<cn sbml:units="{unit}"> {Decimal(repr(value)):f} </cn>'
    mantissa, _, exponent = f"{value!r}".partition("e")
    return f'<cn sbml:units="{unit}" type="e-notation"> {mantissa} <sep/> {exponent or "0"} </cn>'


def name(text: str) -> str:
    """A reference to a name."""
    return f"<ci> {escape(text)} </ci>"


def call(operator: str, *arguments: str) -> str:
    """An operator or function applied to arguments."""
    return f"<apply><{operator}/>{''.join(arguments)}</apply>"


class Writer:
    """Writes expressions; `unit_id` maps a dimension to the identifier of a unit of the document."""

    def __init__(self, dimensions: Dimensions, unit_id: Callable[[Dim], str]):
        self.dimensions, self.unit_id = dimensions, unit_id

    def math(self, expr: sympy.Expr, wanted: Dim | None, rename: Callable[[str], str]) -> str:
        """Content MathML of an expression that must have dimension `wanted` (None: whatever it has).

        `rename` maps a network name to the identifier in the document.
        """
        return self._write(sympy.sympify(expr), wanted, rename)

    def _write(self, expr, wanted, rename) -> str:
        if expr.is_Symbol:
            return name(rename(expr.name))
        if expr.is_Number:
            return self._number(expr, wanted or NONE)
        if expr.is_Add:
            return self._add(expr, wanted, rename)
        if expr.is_Mul:
            return self._mul(expr, wanted, rename)
        if expr.is_Pow:
            return self._pow(*expr.as_base_exp(), wanted, rename)
        if isinstance(expr, Exp):
            return call("exp", self._write(expr.args[0], NONE, rename))
        if isinstance(expr, Log):
            return call("ln", self._write(expr.args[0], NONE, rename))
        if isinstance(expr, Power):
            inner = "".join(self._write(a, NONE, rename) for a in expr.args)
            return f"<apply>{name(POWER)}{inner}</apply>"
        raise ValueError(f"a law uses {expr.func.__name__}, which has no SBML form")

    def _number(self, expr, dim: Dim) -> str:
        unit = self.unit_id(dim)
        if expr.is_Rational and not expr.is_Integer:
            return call("divide", number(expr.p, unit), number(expr.q, "dimensionless"))
        return number(float(expr), unit)

    def _add(self, expr, wanted, rename) -> str:
        target, sure = self.dimensions.sized(expr)
        if not sure and wanted is not None:
            target = wanted
        plus = [t for t in expr.as_ordered_terms() if not t.as_coeff_Mul()[0].is_negative]
        minus = [-t for t in expr.as_ordered_terms() if t.as_coeff_Mul()[0].is_negative]
        above = [self._write(t, target, rename) for t in plus]
        below = [self._write(t, target, rename) for t in minus]
        if not above:
            return call("minus", self._joined("plus", below))
        text = self._joined("plus", above)
        for term in below:
            text = call("minus", text, term)
        return text

    @staticmethod
    def _joined(operator: str, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else call(operator, *parts)

    def _mul(self, expr, wanted, rename) -> str:
        coefficient, rest = expr.as_coeff_Mul()
        factors = rest.as_ordered_factors() if rest != 1 else []
        sizes = self._shares(factors, None if coefficient.is_Float else wanted)
        if coefficient.is_negative:
            inner = self._mul(-expr, wanted, rename) if (-expr).is_Mul else self._write(-expr, wanted, rename)
            return call("minus", inner)
        above, below = [], []
        if coefficient != 1:
            dim = NONE
            if coefficient.is_Float and wanted is not None:
                dim = wanted
                for size in sizes:
                    dim = over(dim, size or NONE)
            if coefficient.is_Rational and not coefficient.is_Integer:
                if coefficient.p != 1:
                    above.append(number(coefficient.p, "dimensionless"))
                below.append(number(coefficient.q, "dimensionless"))
            else:
                above.append(self._number(coefficient, dim))
        for factor, size in zip(factors, sizes, strict=True):
            base, exponent = factor.as_base_exp()
            if factor.is_Pow and exponent.is_Rational and exponent.is_negative:
                inverse = sympy.Pow(base, -exponent, evaluate=False) if exponent != -1 else base
                below.append(self._write(inverse, None if size is None else raised(size, Fraction(-1)), rename))
            else:
                above.append(self._write(factor, size, rename))
        top = self._joined("times", above) if above else number(1, "dimensionless")
        return call("divide", top, self._joined("times", below)) if below else top

    def _shares(self, factors, wanted) -> list[Dim | None]:
        """Dimension of each factor; if just one cannot be told from below, it is what the others leave of `wanted`."""
        sized = [self.dimensions.sized(f) for f in factors]
        unsure = [i for i, (_, sure) in enumerate(sized) if not sure]
        sizes = [d for d, _ in sized]
        if len(unsure) == 1 and wanted is not None:
            rest = wanted
            for i, size in enumerate(sizes):
                if i != unsure[0]:
                    rest = over(rest, size or NONE)
            sizes[unsure[0]] = rest
        return sizes

    def _pow(self, base, exponent, wanted, rename) -> str:
        if not exponent.is_Rational:
            raise ValueError(f"a law raises to the power {exponent}: write non-integer powers as power(x, n)")
        inner = None if wanted is None else raised(wanted, Fraction(int(exponent.q), int(exponent.p)))
        text = self._write(base, inner, rename)
        if exponent.is_negative:
            positive = text if exponent == -1 else self._raise(text, -exponent)
            return call("divide", number(1, "dimensionless"), positive)
        return self._raise(text, exponent)

    @staticmethod
    def _raise(text: str, exponent) -> str:
        if exponent.q == 2:
            root = call("root", text)
            return root if exponent.p == 1 else call("power", root, number(int(exponent.p), "dimensionless"))
        if exponent.q != 1:
            raise ValueError(f"a law raises to the power {exponent}: write non-integer powers as power(x, n)")
        return call("power", text, number(int(exponent.p), "dimensionless"))
