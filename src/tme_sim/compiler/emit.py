"""Writes the generated modules: readable Python with one line per signal, rate and derivative.

Memory layout (all float64):

* states `y`: body states, then one block per lesion;
* held inputs `u`: body, then one block per lesion;
* parameters `par`: body, then one block per lesion;
* working vector `th`: body [parameters, baseline values and constants], then one such block per lesion;
* observables `out`: body nodes, then one block of lesion nodes per lesion.
"""

from __future__ import annotations

import sympy

from tme_sim.compiler import baseline
from tme_sim.compiler.functions import source
from tme_sim.compiler.gradients import Gradients, chain, differentiate, expand
from tme_sim.compiler.layout import Layout
from tme_sim.compiler.symbolic import Model

HEADER = '''"""{what}  Generated from {title}; {n} states.  Do not edit: change the mechanism; it is written again."""
from math import sqrt

from tme_sim.compiler.native import compiled
from tme_sim.engine.elementary import exp as exp_, log as log_, power as pow_
from tme_sim.engine.signatures import PREPARE_SIGNATURE, RHS_SIGNATURE
'''
ELIMINATION = '''"""The elimination of the Jacobian, written out for its pattern."""
from tme_sim.compiler.native import elimination

factor, solve = elimination(__file__, __name__)
'''
WHAT = {
    "prepare": "The untreated baseline, solved.",
    "rhs": "Rates of change of the states.",
    "jac": "The exact Jacobian, nonzeros only.",
    "observe": "Signals, totals, tissue means and rates.",
}


def write(model: Model, n_lesions: int, title: str = "") -> tuple[dict[str, str], Layout]:
    """Source texts of the generated modules (prepare, rhs, jac, observe, elimination) and their layout.

    Raises:
        NetworkError: from the baseline program (circles, balances that are not linear).
    """
    locals_ = differentiate(model)
    statements = baseline.program(model)
    layout = layout_of(model, statements, n_lesions)
    writer = _Writer(model, layout)
    title = title or "the mechanisms " + ", ".join(m.name for m in model.network.mechanisms)
    parts = {"prepare": writer.prepare(statements), "rhs": writer.rhs(), "jac": writer.jacobian(locals_),
             "observe": writer.observe()}
    size = layout.size(layout.states)
    texts = {n: HEADER.format(what=WHAT[n], title=title, n=size) + "\n\n" + t + "\n" for n, t in parts.items()}
    return texts | {"elimination": ELIMINATION}, layout


def layout_of(model: Model, statements, n_lesions: int) -> Layout:
    """Index maps of a model and its baseline program; the Jacobian's pattern is filled in by the writer."""
    places = ("body", "lesion")
    solved = {w: [s.name for s in statements if s.kind == "store" and model.scope[s.name] == w] for w in places}
    nodes = {w: [n.name for n in model.nodes.values() if n.where == w] for w in places}
    return Layout(n_lesions, model.states, model.held, model.parameters, solved, nodes)


def actor_source(model: Model) -> str:
    """Source of a module with one plain function per process: the law with its modulations, as one individual sees it.

    Arguments are sorted by name; `oxygen` is the individual's own.
    """
    out = [
        '"""Per-actor rates of every process, from the same laws as the right-hand side."""\n'
        "from math import sqrt\n\nimport numba\n\n"
        "from tme_sim.engine.elementary import exp as exp_, log as log_, power as pow_"
    ]
    for name, expr in model.actor.items():
        args = sorted(s.name for s in expr.free_symbols)
        label = model.nodes[f"rate_{name}"].label
        out.append(
            f"@numba.njit(cache=True)\ndef actor_{name}({', '.join(args)}):\n"
            f'    """{label}"""\n    return {source(expr)}'
        )
    return "\n\n\n".join(out) + "\n"


def _names(exprs) -> set[str]:
    return {s.name for e in exprs for s in sympy.sympify(e).free_symbols}


class _Writer:
    def __init__(self, model: Model, layout: Layout):
        self.model, self.layout = model, layout
        self.theta = layout.theta
        self.nb = {k: len(t["body"]) for k, t in self._tables().items()}
        self.nl = {k: len(t["lesion"]) for k, t in self._tables().items()}
        self.active = "active" if "active" in model.held["lesion"] else ""

    def _tables(self):
        lay = self.layout
        return {"y": lay.states, "u": lay.held, "th": lay.theta, "par": lay.parameters, "out": lay.nodes}

    # -- loads -----------------------------------------------------------------------------------------------------

    def _load(self, name: str) -> str:
        model = self.model
        role = model.role[name]
        vector = {"state": "y", "held": "u"}.get(role, "th")
        table = self._tables()[vector]
        if model.scope[name] == "body":
            return f"{name} = {vector}[{table['body'].index(name)}]"
        return f"{name} = {vector}[{vector}0 + {table['lesion'].index(name)}]"

    def _loads(self, names: set[str], where: str) -> list[str]:
        model = self.model
        order = {n: i for i, n in enumerate(model.role)}
        wanted = [
            n for n in names
            if n in model.role and model.scope[n] == where and model.role[n] != "node"
        ]
        return [self._load(n) for n in sorted(wanted, key=order.__getitem__)]

    def _loop(self, vectors: list[str]) -> list[str]:
        lines = [f"for b in range({self.layout.n_lesions}):"]
        for v in vectors:
            lines.append(f"    {v}0 = {self.nb[v]} + b*{self.nl[v]}")
        return lines

    @staticmethod
    def _indent(lines: list[str]) -> list[str]:
        return ["    " + line for line in lines]

    def _function(self, signature: str, name: str, args: str, doc: str, body: list[str]) -> str:
        head = f'@compiled({signature})\ndef {name}({args}):\n    """{doc}"""\n'
        return head + "\n".join(self._indent(body or ["pass"]))

    # -- phases ----------------------------------------------------------------------------------------------------

    def _phase(self, name: str) -> str:
        node = self.model.nodes[name]
        if node.kind == "total" or node.where == "lesion":
            return "lesion"
        return "after" if name in self.model.after else "before"

    def _phases(self, names=None) -> dict[str, list]:
        out = {"before": [], "lesion": [], "after": []}
        for name, node in self.model.nodes.items():
            if names is None or name in names:
                out[self._phase(name)].append(node)
        return out

    def _needed(self) -> set[str]:
        """Nodes that some rate of change depends on."""
        need: set[str] = set()
        stack = [rate for flows in self.model.flows.values() for _, rate in flows]
        while stack:
            name = stack.pop()
            if name in need:
                continue
            need.add(name)
            stack += [r for r in self.model.nodes[name].reads if self.model.role[r] == "node"]
        return need

    def _sum(self, flows) -> str:
        out = ""
        for coefficient, rate in flows:
            text = source(coefficient)
            negative = text.startswith("-") or text.startswith("(-")
            text = text.strip("()-") if negative else text
            term = rate if text == "1.0" else f"{text}*{rate}"
            out += (" - " if negative else " + ") + term if out else ("-" if negative else "") + term
        return out or "0.0"

    def _times_active(self, text: str) -> str:
        return f"{self.active}*({text})" if self.active else text

    # -- functions -------------------------------------------------------------------------------------------------

    def prepare(self, statements) -> str:
        """`prepare(par, th)`: copy parameters, solve the untreated baseline, compute constants."""
        lay = self.layout
        body = []
        n_body, n_lesion = len(lay.parameters["body"]), len(lay.parameters["lesion"])
        body.append(f"for i in range({n_body}):")
        body.append("    th[i] = par[i]")
        body += self._loop(["par", "th"])
        body.append(f"    for i in range({n_lesion}):")
        body.append("        th[th0 + i] = par[par0 + i]")
        stored = {s.name for s in statements if s.kind == "store"}
        for place in ("before", "lesion", "after"):
            lines = []
            chosen = [s for s in statements if s.place == place]
            used = _names(s.expr for s in chosen)
            known = {n for n in used if n in self.model.role and n not in stored}
            reread = {n for n in used if n in stored and n not in {s.name for s in chosen}}
            if place == "lesion":
                loads = self._loads(known | reread | ({"active"} & set()), "lesion")
                flag = self._baseline_active()
                for s in chosen:
                    if s.kind == "total":
                        term = f"{flag}*({source(s.expr)})" if flag else source(s.expr)
                        lines.append(f"{s.name} += {term}")
                    else:
                        lines.append(f"{s.name} = {source(s.expr)}")
                        if s.kind == "store":
                            lines.append(f"th[th0 + {self.theta['lesion'].index(s.name)}] = {s.name}")
                for s in chosen:
                    if s.kind == "total":
                        body.append(f"{s.name} = 0.0")
                if flag:
                    loads += [x for x in self._loads({flag}, "lesion") if x not in loads]
                body += self._loads(known | reread, "body")
                body += self._loop(["th"])
                body += self._indent(loads + lines)
            else:
                body += self._loads(known | reread, "body")
                for s in chosen:
                    body.append(f"{s.name} = {source(s.expr)}")
                    if s.kind == "store":
                        body.append(f"th[{self.theta['body'].index(s.name)}] = {s.name}")
        return self._function("PREPARE_SIGNATURE", "prepare", "par, th", "Solve the untreated baseline and fill th.",
                              body)

    def _baseline_active(self) -> str:
        for held in self.model.network.held:
            if held.name == "active" and isinstance(held.initial, str):
                return held.initial
        return ""

    def _values(self, nodes) -> list[str]:
        return [f"{n.name} = {source(n.expr)}" for n in nodes]

    def rhs(self) -> str:
        """`rhs(y, u, th, dy)`: rates of change of every state."""
        model, need = self.model, self._needed()
        phases = self._phases(need)
        exprs = [n.expr for ns in phases.values() for n in ns] + [
            sympy.sympify(c) for flows in model.flows.values() for c, _ in flows
        ]
        names = _names(exprs)
        body = self._loads(names, "body") + self._values(phases["before"])
        lesion_nodes = [n for n in phases["lesion"] if n.kind != "total"]
        totals = [n for n in phases["lesion"] if n.kind == "total"]
        body += [f"{n.name} = 0.0" for n in totals]
        fed = self._fed_by_lesions()
        body += [f"sum_{s} = 0.0" for s in fed]
        loop = self._loads(names | ({self.active} if self.active else set()), "lesion") + self._values(lesion_nodes)
        loop += [f"{n.name} += {self._times_active(source(n.expr))}" for n in totals]
        for s in fed:
            flows = [(c, r) for c, r in model.flows[s] if model.nodes[r].where == "lesion"]
            loop.append(f"sum_{s} += {self._times_active(self._sum(flows))}")
        for i, s in enumerate(model.states["lesion"]):
            loop.append(f"dy[y0 + {i}] = {self._times_active(self._sum(model.flows[s]))}")
        body += self._loop(["y", "u", "th"]) + self._indent(loop)
        body += self._values(phases["after"])
        for i, s in enumerate(model.states["body"]):
            flows = [(c, r) for c, r in model.flows[s] if model.nodes[r].where == "body"]
            tail = f" + sum_{s}" if s in fed else ""
            body.append(f"dy[{i}] = {self._sum(flows)}{tail}")
        return self._function("RHS_SIGNATURE", "rhs", "y, u, th, dy", "Rates of change of the states.", body)

    def _fed_by_lesions(self) -> list[str]:
        model = self.model
        return [
            s for s in model.states["body"] if any(model.nodes[r].where == "lesion" for _, r in model.flows[s])
        ]

    def observe(self) -> str:
        """`observe(y, u, th, out)`: every signal, total, tissue mean and rate."""
        model, lay = self.model, self.layout
        phases = self._phases()
        names = _names(n.expr for n in model.nodes.values())
        index = {n: i for w in ("body", "lesion") for i, n in enumerate(lay.nodes[w])}
        totals = [n for n in phases["lesion"] if n.kind == "total"]
        body = self._loads(names, "body")
        for n in phases["before"]:
            body += [f"{n.name} = {source(n.expr)}", f"out[{index[n.name]}] = {n.name}"]
        body += [f"{n.name} = 0.0" for n in totals]
        loop = self._loads(names | ({self.active} if self.active else set()), "lesion")
        for n in phases["lesion"]:
            if n.kind == "total":
                loop.append(f"{n.name} += {self._times_active(source(n.expr))}")
            else:
                loop += [f"{n.name} = {source(n.expr)}", f"out[out0 + {index[n.name]}] = {n.name}"]
        body += self._loop(["y", "u", "th", "out"]) + self._indent(loop)
        body += [f"out[{index[n.name]}] = {n.name}" for n in totals]
        for n in phases["after"]:
            body += [f"{n.name} = {source(n.expr)}", f"out[{index[n.name]}] = {n.name}"]
        return self._function("RHS_SIGNATURE", "observe", "y, u, th, out", "Signals, totals, means and rates.", body)

    # -- Jacobian --------------------------------------------------------------------------------------------------

    def jacobian(self, locals_) -> str:
        """`jac(y, u, th, jv)`: nonzeros of the Jacobian in the order of the layout's pattern."""
        model, need = self.model, self._needed()
        phases = self._phases(need)
        gradients = Gradients()
        order = [n for n in model.nodes if n in need]
        names = _names(n.expr for ns in phases.values() for n in ns) | _names(model.constants_in(locals_, need))
        names |= {s.name for flows in model.flows.values() for c, _ in flows for s in sympy.sympify(c).free_symbols}
        before, lesion, after = [], [], []
        for node in phases["before"]:
            chain(node, locals_[node.name], gradients, before)
        totals = [n for n in phases["lesion"] if n.kind == "total"]
        first_pass = self._first_pass(phases["lesion"], totals)
        # A total is a pivot whose gradient is by lesion; body rows are expanded down to totals, then inside the loop.
        for node in totals:
            gradients.pivots.add(node.name)
            gradients.of[node.name] = {}
        for node in phases["after"]:
            chain(node, locals_[node.name], gradients, after)
        body_rows, by_total = self._body_rows(gradients, order, totals, after)
        for node in phases["lesion"]:
            gradients.of.pop(node.name, None)
            gradients.pivots.discard(node.name)
            if node.kind == "total":
                chain(self._renamed(node), locals_[node.name], gradients, lesion)
            else:
                chain(node, locals_[node.name], gradients, lesion)
        entries = self._lesion_rows(gradients, order, totals, by_total, lesion)
        return self._assemble(names, before, first_pass, totals, after, lesion, body_rows, entries)

    def _renamed(self, node):
        from dataclasses import replace

        return replace(node, name=f"part_{node.name}", kind="rate")

    def _first_pass(self, lesion_nodes, totals) -> list[str]:
        if not totals:
            return []
        model = self.model
        need: set[str] = set()
        stack = [r for t in totals for r in t.reads]
        while stack:
            name = stack.pop()
            if name in need or model.role[name] != "node" or model.scope[name] == "body":
                continue
            need.add(name)
            stack += model.nodes[name].reads
        chosen = [n for n in lesion_nodes if n.name in need]
        names = _names([n.expr for n in chosen] + [t.expr for t in totals])
        loop = self._loads(names | ({self.active} if self.active else set()), "lesion") + self._values(chosen)
        loop += [f"{t.name} += {self._times_active(source(t.expr))}" for t in totals]
        return [f"{t.name} = 0.0" for t in totals] + self._loop(["y", "u", "th"]) + self._indent(loop)

    def _row(self, species: str, where: str, gradients: Gradients) -> dict[str, list[str]]:
        from tme_sim.compiler.gradients import product

        row: dict[str, list[str]] = {}
        for coefficient, rate in self.model.flows[species]:
            if self.model.nodes[rate].where != where:
                continue
            for variable, slope in gradients.of[rate].items():
                text = source(coefficient)
                term = slope if text == "1.0" else f"(-{slope})" if text in ("-1.0",
                                                                             "(-1.0)") and slope.isidentifier() \
                    else product(text, slope)
                row.setdefault(variable, []).append(term)
        return row

    def _body_rows(self, gradients, order, totals, lines):
        """Entries of body rows by body states, and their slopes by each total (source text)."""
        rows, by_total = {}, {}
        total_names = {t.name for t in totals}
        for s in self.model.states["body"]:
            row = expand(self._row(s, "body", gradients), gradients, [o for o in order if o not in total_names],
                         f"r_{s}", lines)
            slopes = {}
            for t in total_names & set(row):
                lines.append(f"r_{s}__{t} = {' + '.join(row.pop(t))}")
                slopes[t] = f"r_{s}__{t}"
            rows[s], by_total[s] = row, slopes
        return rows, by_total

    def _lesion_rows(self, gradients, order, totals, by_total, lines):
        from tme_sim.compiler.gradients import product

        entries = {"lesion": {}, "body": {}}
        for s in self.model.states["lesion"]:
            entries["lesion"][s] = expand(self._row(s, "lesion", gradients), gradients, order, f"r_{s}", lines)
        for s in self.model.states["body"]:
            row = self._row(s, "lesion", gradients)
            for total, slope in by_total[s].items():
                for variable, inner in gradients.of[f"part_{total}"].items():
                    row.setdefault(variable, []).append(product(slope, inner))
            entries["body"][s] = expand(row, gradients, order, f"q_{s}", lines)
        return entries

    def _assemble(self, names, before, first_pass, totals, after, lesion, body_rows, entries) -> str:
        model, lay = self.model, self.layout
        bs, ls = model.states["body"], model.states["lesion"]
        nb, nl, n_lesions = len(bs), len(ls), lay.n_lesions
        position = {s: i for i, s in enumerate(bs)} | {s: i for i, s in enumerate(ls)}
        is_body = set(bs)

        def split(row, own):
            body = sorted({v for v in row if v in is_body} | ({own} if own in is_body else set()), key=position.get)
            les = sorted({v for v in row if v not in is_body} | (set() if own in is_body else {own}), key=position.get)
            return body, les

        rows, cols, start = [], [], {}
        for s in bs:
            merged = set(body_rows[s]) | set(entries["body"][s])
            body, les = split(merged, s)
            start[s] = (len(rows), body, les)
            rows += [position[s]] * (len(body) + n_lesions * len(les))
            cols += [position[v] for v in body]
            cols += [nb + b * nl + position[v] for b in range(n_lesions) for v in les]
        block, offset = len(rows), 0
        for s in ls:
            body, les = split(entries["lesion"][s], s)
            start[s] = (offset, body, les)
            offset += len(body) + len(les)
        for b in range(n_lesions):
            for s in ls:
                _, body, les = start[s]
                rows += [nb + b * nl + position[s]] * (len(body) + len(les))
                cols += [position[v] for v in body] + [nb + b * nl + position[v] for v in les]
        lay.rows, lay.cols = rows, cols

        out = self._loads(names, "body") + before + first_pass + after
        for s in bs:
            first, body, _ = start[s]
            for k, v in enumerate(body):
                out.append(f"jv[{first + k}] = {' + '.join(body_rows[s].get(v, ['0.0']))}")
        loop = self._loads(names | ({self.active} if self.active else set()), "lesion") + lesion
        loop.append(f"at = {block} + b*{offset}")
        for s in ls:
            first, body, les = start[s]
            for k, v in enumerate(body + les):
                value = " + ".join(entries["lesion"][s].get(v, ["0.0"]))
                loop.append(f"jv[at + {first + k}] = {self._times_active(value) if value != '0.0' else value}")
        for s in bs:
            first, body, les = start[s]
            for k, v in enumerate(body):
                if v in entries["body"][s]:
                    loop.append(f"jv[{first + k}] += {self._times_active(' + '.join(entries['body'][s][v]))}")
            for k, v in enumerate(les):
                value = " + ".join(entries["body"][s][v])
                loop.append(f"jv[{first + len(body) + k} + b*{len(les)}] = {self._times_active(value)}")
        out += self._loop(["y", "u", "th"]) + self._indent(loop)
        return self._function("RHS_SIGNATURE", "jac", "y, u, th, jv", "Nonzeros of the exact Jacobian.", out)
