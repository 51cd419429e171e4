"""How laws are written for people: as LaTeX with proper symbols, or as one line of plain text.

Laws are applied to symbols of their own argument names, once; nothing is averaged or hoisted, so that a reader sees
what the mechanism's file says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from tme_sim.network import Law, arguments

GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi rho sigma tau phi chi psi omega".split()
)
SHORT = 12  # an exponent of more characters is written with exp()


def expression(law: Law, bind: Mapping[str, str]) -> sympy.Expr | tuple[sympy.Expr, ...]:
    """A law applied to symbols named as the network names them."""
    result = law(**{a: sympy.Symbol(n) for a, n in arguments(law, bind).items()})
    return tuple(sympy.sympify(r) for r in result) if isinstance(result, tuple) else sympy.sympify(result)


def symbol(name: str, given: str = "") -> str:
    """LaTeX of a name: ``k_div`` is k with a subscript, ``CD8_blood`` upright; `given` (a parameter's symbol) wins."""
    if given:
        return given
    head, _, tail = name.partition("_")
    if head == "rate" and tail:
        return rf"r_{{\mathrm{{{_plain(tail)}}}}}"
    if head.lower() in GREEK:
        base = "\\" + (
            head
            if head[0].islower() or head in ("Gamma", "Delta", "Theta", "Sigma", "Phi", "Psi", "Omega")
            else head.lower()
        )
    elif len(head) == 1:
        base = head
    else:
        base, tail = rf"\mathrm{{{_plain(name)}}}", ""
    return base + (rf"_{{\mathrm{{{_plain(tail)}}}}}" if tail else "")


def _plain(text: str) -> str:
    """Words of a name with thin spaces; LaTeX's special characters cannot occur in a name."""
    return re.sub(r"_+", r"\\,", text)


class _Latex(LatexPrinter):
    """Methods are named as SymPy's printers call them: `_print_` and the class."""

    def __init__(self, symbols: Callable[[str], str]):
        super().__init__({"mul_symbol": r" \, ", "fold_short_frac": False})
        self.symbols = symbols

    def _print_Symbol(self, expr, style="plain"):
        return self.symbols(expr.name)

    def _print_Float(self, expr):
        return _decimal(float(expr), r"\cdot 10^{{{}}}")

    def _print_Exp(self, expr, exp=None):
        inner = self._print(expr.args[0])
        text = rf"e^{{{inner}}}" if len(inner) <= SHORT else rf"\exp\!\left({inner}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _print_Log(self, expr, exp=None):
        text = rf"\ln\!\left({self._print(expr.args[0])}\right)"
        return text if exp is None else rf"{text}^{{{exp}}}"

    def _print_Power(self, expr, exp=None):
        base, power = expr.args
        text = self._print(base)
        if not base.is_Symbol:
            text = rf"\left({text}\right)"
        power_text = self._print(power)
        return rf"{{{text}}}^{{{power_text if exp is None else f'{power_text}{exp}'}}}"


class _Text(StrPrinter):
    """Methods are named as SymPy's printers call them: `_print_` and the class."""

    def _print_Float(self, expr):
        return _decimal(float(expr), "e{}")

    def _print_Exp(self, expr):
        return f"exp({self._print(expr.args[0])})"

    def _print_Log(self, expr):
        return f"ln({self._print(expr.args[0])})"

    def _print_Power(self, expr):
        base, power = (self._print(a) for a in expr.args)
        wrap = lambda a, t: t if a.is_Symbol or (a.is_Number and not t.startswith("-")) else f"({t})"  # noqa: E731
        return f"{wrap(expr.args[0], base)}^{wrap(expr.args[1], power)}"


def _decimal(value: float, exponent: str) -> str:
    text = f"{value:.12g}"
    mantissa, _, power = text.partition("e")
    return mantissa if not power else mantissa + exponent.format(int(power))


def latex(expr: sympy.Expr, symbols: Mapping[str, str] | None = None) -> str:
    """LaTeX of an expression; `symbols` maps names to symbols that are given."""
    given = symbols or {}
    return _Latex(lambda name: symbol(name, given.get(name, ""))).doprint(expr)


def plain(expr: sympy.Expr) -> str:
    """One line of text: ``k_div*oxygen/(K_div + oxygen)``, powers with ``^``."""
    return _Text().doprint(expr).replace("**", "^")
