"""The exact Jacobian as a program of local derivatives, chained through few pivots.

Every node knows its derivative by the names it reads.  A node's gradient is carried by states and *pivots* only; a
node that reads more than :data:`WIDEST` of them becomes a pivot itself.  Rows of the Jacobian are combinations of rate
gradients, in which pivots are expanded last to first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy

from tme_sim.compiler.functions import source
from tme_sim.compiler.symbolic import Model, Node, S, hoist

WIDEST = 6


@dataclass
class Local:
    """Derivatives of one node: shared temporaries, value, and one expression per name read."""

    temporaries: list[tuple[str, sympy.Expr]]
    value: sympy.Expr
    partials: dict[str, sympy.Expr]


@dataclass
class Gradients:
    """Lines of code per phase, and where each Jacobian entry is found."""

    lines: dict[str, list[str]] = field(default_factory=lambda: {"before": [], "after": [], "lesion": []})
    of: dict[str, dict[str, str]] = field(default_factory=dict)  # node -> {state or pivot: source}
    pivots: set[str] = field(default_factory=set)


def differentiate(model: Model) -> dict[str, Local]:
    """Local derivatives of every node; adds the constants that the derivatives need to the model."""
    locals_: dict[str, Local] = {}
    for name, node in list(model.nodes.items()):
        moving = [r for r in node.reads if model.role[r] in ("state", "node")]
        partials = {r: hoist(model, sympy.diff(node.expr, S(r))) for r in moving}
        partials = {r: p for r, p in partials.items() if p != 0}
        symbols = (S(f"w{i}_{name}") for i in range(1000))
        temporaries, reduced = sympy.cse([node.expr, *partials.values()], symbols=symbols, order="canonical")
        locals_[name] = Local(
            [(s.name, e) for s, e in temporaries], reduced[0], dict(zip(partials, reduced[1:], strict=True))
        )
    return locals_


def chain(node: Node, local: Local, gradients: Gradients, lines: list[str]) -> None:
    """Append the lines that compute a node's value and gradient; decide whether it becomes a pivot."""
    for name, expr in local.temporaries:
        lines.append(f"{name} = {source(expr)}")
    lines.append(f"{node.name} = {source(local.value)}")
    terms: dict[str, list[str]] = {}
    for read, expr in local.partials.items():
        text = source(expr)
        if not (expr.is_Symbol or expr.is_Number):
            lines.append(f"p_{node.name}__{read} = {text}")
            text = f"p_{node.name}__{read}"
        inner = gradients.of.get(read)
        if inner is None or read in gradients.pivots:
            terms.setdefault(read, []).append(text)
        else:
            for variable, slope in inner.items():
                terms.setdefault(variable, []).append(product(text, slope))
    gradient = {}
    for variable, parts in sorted(terms.items()):
        text = " + ".join(parts)
        if len(parts) > 1 or "*" in text:
            lines.append(f"g_{node.name}__{variable} = {text}")
            text = f"g_{node.name}__{variable}"
        gradient[variable] = text
    gradients.of[node.name] = gradient
    if node.kind != "rate" and (node.pivot or len(gradient) > WIDEST):
        gradients.pivots.add(node.name)


def product(a: str, b: str) -> str:
    """Source of `a * b` without factors of one."""
    if a == "1.0":
        return b
    if b == "1.0":
        return a
    wrap = lambda t: f"({t})" if (" " in t or t.startswith("-")) else t  # noqa: E731
    return f"{wrap(a)}*{wrap(b)}"


def expand(row: dict[str, list[str]], gradients: Gradients, order: list[str], prefix: str, lines: list[str]):
    """Replace pivots in a row by what they read, last to first; returns {state: [terms]}."""
    row = {k: list(v) for k, v in row.items()}
    for pivot in reversed(order):
        if pivot in row and pivot in gradients.pivots:
            parts = row.pop(pivot)
            text = " + ".join(parts)
            if len(parts) > 1 or "*" in text:
                lines.append(f"{prefix}__{pivot} = {text}")
                text = f"{prefix}__{pivot}"
            for variable, slope in gradients.of[pivot].items():
                row.setdefault(variable, []).append(product(text, slope))
    return row
