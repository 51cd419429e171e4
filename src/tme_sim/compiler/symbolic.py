"""The network as symbols: every law applied once to SymPy symbols, oxygen averaged, constants named.

The result is a small intermediate form (:class:`Model`) that the emitter, the SBML export and the equations document
read.  Names are the network's own; a lesion-level name stands for that quantity in any one lesion.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy

from tme_sim.mechanisms.closure import OXYGEN_CLASSES
from tme_sim.network import OXYGEN, Network, NetworkError, actors_of, arguments

S = sympy.Symbol


@dataclass
class Node:
    """One intermediate value: a signal, total, rate or tissue average, with the names it reads."""

    name: str
    where: str
    expr: sympy.Expr
    unit: str
    label: str
    kind: str  # signal | total | rate | mean
    pivot: bool = False

    @property
    def reads(self) -> list[str]:
        """Names of the symbols in the expression, sorted."""
        return sorted(s.name for s in self.expr.free_symbols)


@dataclass
class Model:
    """Symbols and expressions of a composed network.

    `nodes` are in an order in which each reads only earlier ones (within body-before, lesion, body-after).
    `flows[species]` lists (coefficient expression, rate name).  `actor[process]` is the un-averaged law with its
    modulations, in terms of the names an individual sees.  `constants` maps a hoisted name to its expression in
    parameters.
    """

    network: Network
    states: dict[str, list[str]] = field(default_factory=lambda: {"body": [], "lesion": []})
    held: dict[str, list[str]] = field(default_factory=lambda: {"body": [], "lesion": []})
    parameters: dict[str, list[str]] = field(default_factory=lambda: {"body": [], "lesion": []})
    scope: dict[str, str] = field(default_factory=dict)  # name -> body | lesion
    role: dict[str, str] = field(default_factory=dict)  # name -> parameter | solved | state | held | node | constant
    nodes: dict[str, Node] = field(default_factory=dict)
    flows: dict[str, list[tuple[sympy.Expr, str]]] = field(default_factory=dict)
    actor: dict[str, sympy.Expr] = field(default_factory=dict)
    law: dict[str, sympy.Expr] = field(default_factory=dict)
    constants: dict[str, sympy.Expr] = field(default_factory=dict)
    after: set[str] = field(default_factory=set)  # body nodes that depend on a total or on lesion flows

    def constants_in(self, locals_, need) -> list[sympy.Expr]:
        """Expressions of all local derivatives of the nodes in `need` (to find which constants they read)."""
        return [
            e
            for name in need
            for e in (*(t for _, t in locals_[name].temporaries), locals_[name].value, *locals_[name].partials.values())
        ]

    def is_constant(self, expr: sympy.Expr) -> bool:
        """Whether an expression holds parameters, solved values and numbers only."""
        return all(self.role[s.name] in ("parameter", "solved", "constant") for s in expr.free_symbols)


def build(network: Network) -> Model:
    """Apply every law of `network` to symbols.

    Raises:
        NetworkError: cyclic signals, lesion laws that read a sum over lesions, unknown names.
    """
    model = Model(network)
    _declare(model)
    _signals(model)
    _rates(model)
    _order(model)
    return model


def _declare(model: Model) -> None:
    network = model.network

    def put(name, where, role):
        model.scope[name], model.role[name] = where, role

    for where in ("body", "lesion"):
        for p in network.parameters(where):
            model.parameters[where].append(p.name)
            put(p.name, where, "parameter")
    for s in network.species:
        model.states[s.where].append(s.name)
        put(s.name, s.where, "state")
        put(f"{s.name}_start", s.where, "solved")
    for h in network.held:
        model.held[h.where].append(h.name)
        put(h.name, h.where, "held")
    species = {s.name: s for s in network.species}
    for b in network.balances:
        put(b.parameter, species[b.species].where, "solved")
    for r in network.references:
        put(r.name, r.where, "solved")
    for p in network.processes:
        put(f"rate_{p.name}", p.where, "node")


def apply(model: Model, law, bind) -> sympy.Expr:
    """Apply a law to symbols; names of switched-off mechanisms become their resting values."""
    from tme_sim.quantities import internal

    values = {}
    for argument, name in arguments(law, bind).items():
        if name in model.network.rests and name not in model.scope:
            value, unit = model.network.rests[name]
            values[argument] = sympy.Float(internal(value, unit))
        else:
            values[argument] = S(name)
    result = law(**values)
    return tuple(sympy.sympify(r) for r in result) if isinstance(result, tuple) else sympy.sympify(result)


def _average(model: Model, expr: sympy.Expr, owner: str) -> sympy.Expr:
    """Replace `oxygen` by the mean over the tissue's oxygen classes.

    The factor that holds oxygen is split off; where it reads nothing but parameters its class values become constants
    and the mean is one node `mean_<owner>`, a dot product with the class shares.
    """
    oxygen = S(OXYGEN)
    if oxygen not in expr.free_symbols:
        return expr
    outside, inside = (expr, None)
    outside, inside = expr.as_independent(oxygen, as_Add=False)
    terms = []
    for k, level in enumerate(OXYGEN_CLASSES):
        share = f"oxygen_share_{k}"
        if share in model.network.rests and share not in model.scope:
            value, _ = model.network.rests[share]
            value = value[k] if isinstance(value, tuple) else value
            weight = sympy.Float(value)
        else:
            weight = S(share)
        terms.append(weight * hoist(model, inside.subs(oxygen, sympy.Float(level))))
    mean = sympy.Add(*terms)
    for node in model.nodes.values():
        if node.kind == "mean" and node.expr == mean:
            return outside * S(node.name)
    name = f"mean_{owner}"
    model.nodes[name] = Node(name, "lesion", mean, "", f"tissue mean of the oxygen factor of {owner}", "mean")
    model.scope[name], model.role[name] = "lesion", "node"
    return outside * S(name)


def hoist(model: Model, expr: sympy.Expr) -> sympy.Expr:
    """Name every maximal sub-expression that holds parameters only; it is computed once per run."""
    if expr.is_Number or expr.is_Symbol:
        return expr
    if model.is_constant(expr):
        if not expr.free_symbols:
            return expr
        for name, known in model.constants.items():
            if known == expr:
                return S(name)
        name = f"c_{len(model.constants)}"
        model.constants[name] = expr
        where = "lesion" if any(model.scope[s.name] == "lesion" for s in expr.free_symbols) else "body"
        model.scope[name], model.role[name] = where, "constant"
        return S(name)
    if expr.is_Add or expr.is_Mul:
        fixed = [a for a in expr.args if model.is_constant(a)]
        moving = [a for a in expr.args if not model.is_constant(a)]
        parts = [hoist(model, a) for a in moving]
        if fixed:
            parts.append(hoist(model, expr.func(*fixed)))
        return expr.func(*parts)
    return expr.func(*(hoist(model, a) for a in expr.args))


def _signals(model: Model) -> None:
    network = model.network
    for t in network.totals:
        model.scope[t.name], model.role[t.name] = "body", "node"
    for s in network.signals:
        names = [f"{s.name}_{i}" for i in range(s.parts)] if s.parts else [s.name]
        for name in names:
            model.scope[name], model.role[name] = s.where, "node"
    for s in network.signals:
        exprs = apply(model, s.law, s.bind)
        names = [f"{s.name}_{i}" for i in range(s.parts)] if s.parts else [s.name]
        exprs = exprs if s.parts else (exprs,)
        if len(exprs) != len(names):
            raise NetworkError(f'signal "{s.name}": its law returns {len(exprs)} values, {len(names)} are declared')
        for name, expr in zip(names, exprs, strict=True):
            expr = hoist(model, _average(model, expr, name))
            model.nodes[name] = Node(name, s.where, expr, s.unit, s.label, "signal", s.pivot)
    for t in network.totals:
        expr = hoist(model, _average(model, apply(model, t.law, t.bind), t.name))
        model.nodes[t.name] = Node(t.name, "body", expr, t.unit, t.label, "total")


def _rates(model: Model) -> None:
    network = model.network
    arrows: dict[str, list] = {}
    for m in network.modulations:
        for target in m.targets:
            arrows.setdefault(target, []).append(m)
    for species in network.species:
        model.flows[species.name] = []
    for process in network.processes:
        law = apply(model, process.law, process.bind)
        model.law[process.name] = law
        for m in arrows.get(process.name, []):
            factor = apply(model, m.law, m.bind)
            law = law * (1 + S(f"gain_{m.name}") * (factor - 1))
        model.actor[process.name] = law
        rate = law
        for actor in actors_of(process):
            rate = rate * apply(model, lambda x: x, {"x": actor})
        name = f"rate_{process.name}"
        rate = hoist(model, _average(model, rate, name))
        model.nodes[name] = Node(name, process.where, rate, "", process.label, "rate")
        model.scope[name], model.role[name] = process.where, "node"
        gain = 1 if process.kind in ("division", "arrival", "secretion") else -1
        for target, amount in ((process.of, float(gain)), *process.into):
            if target in model.flows:
                coefficient = S(amount) if isinstance(amount, str) else sympy.Float(amount)
                model.flows[target].append((coefficient, name))


def _order(model: Model) -> None:
    """Sort nodes so that each reads earlier ones only; find which body nodes wait for the lesions."""
    placed: dict[str, Node] = {}
    state: dict[str, int] = {}

    def visit(name: str, path: list[str]) -> None:
        """Place a node after all that it reads; `path` leads to it."""
        if name not in model.nodes or state.get(name) == 2:
            return
        if state.get(name) == 1:
            loop = " -> ".join([*path[path.index(name) :], name])
            raise NetworkError(f"signals read each other in a circle: {loop}; make one of them a species")
        state[name] = 1
        for read in model.nodes[name].reads:
            visit(read, [*path, name])
        state[name] = 2
        placed[name] = model.nodes[name]

    for name in list(model.nodes):
        visit(name, [])
    model.nodes = placed
    for name, node in placed.items():
        if node.where == "body" and (node.kind == "total" or any(r in model.after for r in node.reads)):
            model.after.add(name)
        if node.where == "lesion":
            for read in node.reads:
                if read in model.after:
                    raise NetworkError(
                        f'"{name}" of a lesion reads "{read}", a sum over lesions: let a body species carry it'
                    )
        if node.where == "body" and node.kind != "total":
            for read in node.reads:
                if model.scope[read] == "lesion":
                    raise NetworkError(f'"{name}" of the body reads "{read}" of a lesion: sum it with a Total')
