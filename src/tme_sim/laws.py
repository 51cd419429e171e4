"""The vocabulary that rate laws are written in.

A law is a plain named function of named arguments.  The same function is called with floats (the reference),
with SymPy symbols (right-hand side, Jacobian, LaTeX, SBML), with quantities that carry units (the unit report) and is
printed to source for numba (the kernel).  So a law may use arithmetic and the functions of this module, and nothing
else: no branches, no tables, no numpy.

All functions are smooth.  Floats go through :mod:`tme_sim.engine.elementary`, which gives the same bits everywhere.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = ["exp", "log", "sqrt", "power", "hill", "inhibit", "saturate", "positive", "blend", "fold", "logistic_room"]


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float))


def _is_symbolic(*values: Any) -> bool:
    return any(hasattr(v, "free_symbols") for v in values)


def _plain(x: Any) -> float:
    """Magnitude of a dimensionless quantity; raises pint's DimensionalityError for anything that has a unit."""
    return x if _is_number(x) else float(x.to("").magnitude)


LARGEST_EXPONENT = 230.0
"""Where `exp` stops growing (about 1e100): no rate comes near, and no product or square of it overflows to infinity."""


def exp(x):
    """Exponential of a dimensionless argument, level above :data:`LARGEST_EXPONENT`."""
    if _is_symbolic(x):
        from tme_sim.compiler.functions import Exp

        return Exp(x)
    from tme_sim.engine.elementary import exp as exp_

    return exp_(min(float(_plain(x)), LARGEST_EXPONENT))


def log(x):
    """Natural logarithm of a dimensionless, positive argument."""
    if _is_symbolic(x):
        from tme_sim.compiler.functions import Log

        return Log(x)
    from tme_sim.engine.elementary import log as log_

    return log_(float(_plain(x)))


def sqrt(x):
    """Square root; keeps half the unit of its argument."""
    if _is_symbolic(x):
        import sympy

        return sympy.sqrt(x)
    if _is_number(x):
        return math.sqrt(x)
    return x**0.5


def power(x, n):
    """`x**n` for a dimensionless `x`; a negative `x` counts as 0, so no exponent can make a NaN."""
    if _is_symbolic(x, n):
        from tme_sim.compiler.functions import Power

        return Power(x, n)
    from tme_sim.engine.elementary import power as pow_

    base = float(_plain(x))
    return pow_(base if base > 0.0 else 0.0, float(_plain(n)))


def hill(x, K, n):
    """Sigmoid `x^n / (K^n + x^n)`: 0 at none, one half at `x = K`, 1 at plenty.  `x` and `K` share a unit."""
    return 1 - 1 / (1 + power(x / K, n))  # the power appears once, and plenty gives 1 without overflow


def inhibit(x, K, n=None):
    """Falling sigmoid `1 / (1 + (x/K)^n)`, `n` = 1 when left out."""
    return 1 / (1 + (x / K if n is None else power(x / K, n)))


def saturate(x, K):
    """Michaelis-Menten saturation `x / (K + x)`."""
    return x / (K + x)


def positive(x, width):
    """Smooth positive part of `x`: `(x + sqrt(x^2 + width^2)) / 2`, within `width/2` of `max(x, 0)`."""
    return (x + sqrt(x * x + width * width)) / 2


def blend(share, of_none, of_all):
    """Straight line from `of_none` (share 0) to `of_all` (share 1)."""
    return of_none + share * (of_all - of_none)


def fold(level, maximum):
    """Induction `1 + (maximum - 1) * level`: 1 at level 0, `maximum`-fold at level 1."""
    return 1 + (maximum - 1) * level


def logistic_room(x, capacity):
    """Share of room that is left, `1 - x / capacity`."""
    return 1 - x / capacity
