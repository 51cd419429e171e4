"""The vocabulary's primitives as SymPy functions: how they differentiate, and how expressions print to Python."""

from __future__ import annotations

import sympy
from sympy.core.function import ArgumentIndexError

from tme_sim.laws import LARGEST_EXPONENT


class Exp(sympy.Function):
    """Exponential, kept apart from SymPy's own so that it prints to :func:`tme_sim.engine.elementary.exp`."""

    nargs = 1

    def fdiff(self, argindex=1):
        """Derivative with respect to the only argument."""
        if argindex != 1:
            raise ArgumentIndexError(self, argindex)
        return self


class Log(sympy.Function):
    """Natural logarithm; prints to :func:`tme_sim.engine.elementary.log`."""

    nargs = 1

    def fdiff(self, argindex=1):
        """Derivative with respect to the only argument."""
        if argindex != 1:
            raise ArgumentIndexError(self, argindex)
        return 1 / self.args[0]


class Power(sympy.Function):
    """Guarded power: `max(x, 0)**n`; its derivative reuses the value, `n * x**n / x`, and is 0 at `x = 0`."""

    nargs = 2

    @classmethod
    def eval(cls, x, n):
        """Small whole exponents become plain products."""
        if n.is_Integer or (n.is_Float and float(n).is_integer() and abs(float(n)) <= 4):
            return x ** int(n)
        return None

    def fdiff(self, argindex=1):
        """Derivatives with respect to base and exponent."""
        x, n = self.args
        if argindex == 1:
            return n * self * Reciprocal(x)
        if argindex == 2:
            return self * Log(Guard(x))
        raise ArgumentIndexError(self, argindex)


class Reciprocal(sympy.Function):
    """`1 / max(x, 1e-100)`: the guarded inverse that derivatives of powers use; its square is finite too."""

    nargs = 1


class Guard(sympy.Function):
    """`max(x, 1e-100)`, so that a logarithm of a vanished base stays finite."""

    nargs = 1


TINY = "1e-100"
NAMES = {Log: "log_", Power: "pow_"}


def source(expr: sympy.Expr) -> str:
    """Python source of an expression, with deterministic order of terms and factors."""
    return _add(sympy.sympify(expr))


def _add(expr) -> str:
    if not expr.is_Add:
        return _mul(expr)
    out = ""
    for term in expr.as_ordered_terms():
        coeff, _ = term.as_coeff_Mul()
        if out and coeff.is_negative:
            out += " - " + _mul(-term)
        else:
            out += (" + " if out else "") + _mul(term)
    return out


def _mul(expr) -> str:
    if not expr.is_Mul:
        return _power(expr)
    coeff, rest = expr.as_coeff_Mul()
    sign = ""
    if coeff.is_negative:
        sign, coeff = "-", -coeff
    above, below = [], []
    if coeff != 1:
        if coeff.is_Rational and not coeff.is_Integer:
            if coeff.p != 1:
                above.append(f"{coeff.p}.0")
            below.append(f"{coeff.q}.0")
        else:
            above.append(_power(coeff))
    for factor in rest.as_ordered_factors() if rest != 1 else []:
        base, exponent = factor.as_base_exp()
        if exponent.is_Rational and exponent.is_negative and not isinstance(factor, sympy.Function):
            below.append(_power(sympy.Pow(base, -exponent, evaluate=False) if exponent != -1 else base, wrap=True))
        else:
            above.append(_power(factor, wrap=True))
    top = "*".join(above) if above else "1.0"
    if not below:
        return sign + top
    bottom = below[0] if len(below) == 1 else "(" + "*".join(below) + ")"
    return f"{sign}{top}/{bottom}"


def _power(expr, wrap: bool = False) -> str:
    if expr.is_Pow:
        base, exponent = expr.as_base_exp()
        if exponent.is_Integer and 0 < exponent <= 6:
            b = _atom(base)
            return "*".join([b] * int(exponent)) if not wrap else "(" + "*".join([b] * int(exponent)) + ")"
        if exponent == sympy.Rational(1, 2):
            return f"sqrt({_add(base)})"
        if exponent == sympy.Rational(-1, 2):
            return f"(1.0/sqrt({_add(base)}))"
        if exponent.is_Integer and exponent < 0:
            return f"(1.0/{_power(sympy.Pow(base, -exponent, evaluate=False) if exponent != -1 else base, wrap=True)})"
        if exponent.is_Rational and exponent.q == 2:  # derivatives of square roots
            whole = sympy.Pow(base, abs(exponent) - sympy.Rational(1, 2), evaluate=False)
            product = f"({_atom(base) if abs(exponent) == sympy.Rational(3, 2) else _power(whole)}*sqrt({_add(base)}))"
            return product if exponent.is_positive else f"(1.0/{product})"
        raise ValueError(f"a law uses {expr}: write non-integer powers as power(x, n)")
    return _atom(expr)


def _atom(expr) -> str:
    if expr.is_Symbol:
        return expr.name
    if expr.is_Number:
        text = repr(float(expr))
        return f"({text})" if text.startswith("-") else text
    if isinstance(expr, Reciprocal):
        return f"(1.0/max({_add(expr.args[0])}, {TINY}))"
    if isinstance(expr, Guard):
        return f"max({_add(expr.args[0])}, {TINY})"
    if isinstance(expr, Exp):
        return f"exp_(min({_add(expr.args[0])}, {LARGEST_EXPONENT!r}))"
    for kind, name in NAMES.items():
        if isinstance(expr, kind):
            return f"{name}({', '.join(_add(a) for a in expr.args)})"
    if expr.is_Pow:
        return f"({_power(expr)})"
    return f"({_add(expr)})"
