"""The untreated baseline as a straight program: initial values, balanced parameters, references, constants.

Each balanced parameter enters the rate of its species linearly, so it is solved in closed form from the other rates at
the baseline.  Everything is sorted by what it reads; a circle is an error that prints the circle.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from tme_sim.compiler.symbolic import Model, S, apply
from tme_sim.network import NetworkError


@dataclass(frozen=True)
class Statement:
    """One line of the baseline program: `name = expr`, run in `place` (before | lesion | after)."""

    name: str
    expr: sympy.Expr
    place: str
    kind: str  # store (kept in th) | local | total (summed over lesions)


def program(model: Model) -> list[Statement]:
    """The statements that fill initial values, solved parameters, references and constants, in order.

    Raises:
        NetworkError: for a circle, or a balanced parameter that is not linear in its species' rate.
    """
    builder = _Builder(model)
    for s in model.network.species:
        builder.need(f"{s.name}_start")
    for b in model.network.balances:
        builder.need(b.parameter)
    for r in model.network.references:
        builder.need(r.name)
    for c in model.constants:
        builder.need(c)
    return builder.statements


class _Builder:
    def __init__(self, model: Model):
        self.model = model
        self.statements: list[Statement] = []
        self.done: dict[str, str] = {}  # name -> place
        self.path: list[str] = []
        network = model.network
        self.species = {s.name: s for s in network.species}
        self.held = {h.name: h for h in network.held}
        self.balances = {b.parameter: b for b in network.balances}
        self.references = {r.name: r for r in network.references}

    def need(self, name: str) -> None:
        """Make sure the statement that defines `name` at the baseline is in the program."""
        if name in self.done:
            return
        if name in self.path:
            loop = " -> ".join([*self.path[self.path.index(name) :], name])
            raise NetworkError(
                f"the untreated baseline goes in a circle: {loop}; give one of them its own initial value"
            )
        self.path.append(name)
        expr, kind = self._definition(name)
        expr = self._at_baseline(expr)
        for symbol in sorted(expr.free_symbols, key=lambda s: s.name):
            if self._is_defined_here(symbol.name):
                self.need(symbol.name)
        self.path.pop()
        place = self._place(name, expr, kind)
        self.done[name] = place
        self.statements.append(Statement(name, expr, place, kind))

    def _is_defined_here(self, name: str) -> bool:
        return name.startswith(("at_", "sum_at_")) or self.model.role.get(name) in ("solved", "constant")

    def _definition(self, name: str) -> tuple[sympy.Expr, str]:
        model = self.model
        if name.startswith("sum_at_"):
            return S(name[4:]), "total"
        if name.startswith("at_"):
            node = model.nodes[name[3:]]
            return node.expr, "total" if node.kind == "total" else "local"
        if name in model.constants:
            return model.constants[name], "store"
        if name in self.balances:
            return self._solve(self.balances[name]), "store"
        if name in self.references:
            value = self.references[name].signal
            return (apply(model, value, {}) if callable(value) else S(value)), "store"
        species = self.species[name.removesuffix("_start")]
        if callable(species.initial):
            return apply(model, species.initial, {}), "store"
        if isinstance(species.initial, str):
            return S(species.initial), "store"
        from tme_sim.quantities import internal

        return sympy.Float(internal(species.initial, species.unit)), "store"

    def _at_baseline(self, expr: sympy.Expr) -> sympy.Expr:
        """Replace states by their starts, held inputs by their initial values, nodes by their baseline values."""
        from tme_sim.quantities import internal

        swap = {}
        for symbol in expr.free_symbols:
            name, role = symbol.name, self.model.role.get(symbol.name)
            if role == "state":
                swap[symbol] = S(f"{name}_start")
            elif role == "held":
                initial = self.held[name].initial
                unit = self.held[name].unit
                swap[symbol] = S(initial) if isinstance(initial, str) else sympy.Float(internal(initial, unit))
            elif role == "node":
                swap[symbol] = S(f"at_{name}")
        return expr.xreplace(swap)

    def _solve(self, balance) -> sympy.Expr:
        model = self.model
        unknown = S(balance.parameter)
        own_place = self.species[balance.species].where
        other, slope, constant = sympy.Integer(0), sympy.Integer(0), sympy.Integer(0)
        for coefficient, rate in model.flows[balance.species]:
            node = model.nodes[rate]
            expr = self._unhoisted(node.expr, unknown)
            if unknown in expr.free_symbols:
                derivative = sympy.expand(sympy.diff(expr, unknown))
                if unknown in derivative.free_symbols:
                    raise NetworkError(
                        f'balance: "{balance.parameter}" does not enter the rate of "{balance.species}" linearly '
                        f"(process {rate.removeprefix('rate_')})"
                    )
                slope += coefficient * derivative
                constant += coefficient * expr.subs(unknown, 0)
            else:
                summed = own_place == "body" and node.where == "lesion"
                name = f"sum_at_{rate}" if summed else f"at_{rate}"
                other += coefficient * S(name)
        if slope == 0:
            raise NetworkError(f'balance: "{balance.parameter}" is in no rate of "{balance.species}"')
        target = S(balance.grows) * S(balance.species) if balance.grows else sympy.Integer(0)
        return (target - other - constant) / slope

    def _unhoisted(self, expr: sympy.Expr, unknown: sympy.Symbol) -> sympy.Expr:
        """Put back the constants that contain the unknown."""
        changed = True
        while changed:
            swap = {
                s: self.model.constants[s.name]
                for s in expr.free_symbols
                if s.name in self.model.constants and self._contains(s.name, unknown)
            }
            changed = bool(swap)
            expr = expr.xreplace(swap)
        return expr

    def _contains(self, constant: str, unknown: sympy.Symbol) -> bool:
        expr = self.model.constants[constant]
        return unknown in expr.free_symbols or any(
            s.name in self.model.constants and self._contains(s.name, unknown) for s in expr.free_symbols
        )

    def _place(self, name: str, expr: sympy.Expr, kind: str) -> str:
        if kind == "total":
            return "lesion"
        base = name.removeprefix("at_")
        if self.model.scope.get(base) == "lesion":
            late = [s.name for s in expr.free_symbols if self.done.get(s.name) == "after" or self._is_total(s.name)]
            if late:
                raise NetworkError(f'the baseline of "{base}" of a lesion waits for "{late[0]}", a sum over lesions')
            return "lesion"
        waits = any(self.done.get(s.name) in ("after", "lesion") for s in expr.free_symbols)
        return "after" if waits else "before"

    def _is_total(self, name: str) -> bool:
        node = self.model.nodes.get(name.removeprefix("at_"))
        return name.startswith("sum_at_") or (node is not None and node.kind == "total")
