"""SBML Level 3 Version 2 of one patient of a network: our model, readable by other simulators.

How the network maps
--------------------
* A state that counts cells, or is a mass or an amount of substance, or a density or concentration of these, is a
  species of the compartment ``body`` or ``lesion``; the others (levels, shares, vessel densities, clocks) are
  parameters.  A compartment is a reference volume of 1 mm^3, so that a density is a concentration; the volume of the
  tumour is the variable ``lesion_volume``.
* Every process is a variable ``rate_<process>`` with an assignment rule, and every state has a rate rule that adds up
  its processes.  Reactions would say the same in SBML's own words, but they demand one unit of extent for the whole
  model, while our processes turn over cells, cell densities, amounts and plain levels: each kinetic law would have to
  be divided by a unit and each species multiplied by it again.
* Signals and tissue means are assignment rules in an order in which each reads earlier ones, written in parameters.
  Larger expressions of nothing but parameters are constants with an initial assignment, which keeps simulators that
  expand assignment rules fast.  So a changed parameter acts everywhere.  Values solved from the untreated baseline are
  plain numbers of this patient: for another patient, export again.
* Held inputs (infusion rates, switches) are variables that only events change.  Each instant of the calendar is one
  event ``time >= t``; what happens at the start is part of the initial values.  SBML time 0 is the start of the run.

libRoadRunner expands the rules of a model of this size for a good while; with the load option
``mutableInitialConditions`` off it is several times faster.

Units
-----
Values are in the coherent system day, mm, mg, nmol, mmHg, cell, in which no law needs a conversion factor.  A cell is
an SBML ``item``.  mmHg is defined as 133.322387415 pascal; since pressures meet only pressures in our laws, nothing
ever compares mmHg with mass, length and time.  Every literal carries ``sbml:units``.

The text is written directly, so that numbers keep all their digits and the same model gives the same bytes;
:func:`check` judges it with libSBML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import sympy

from tme_sim.compiler.symbolic import Model, build
from tme_sim.export.dimension import NONE, PER_DAY, Dim, Dimensions, over, times
from tme_sim.export.mathml import POWER, TIME, Writer, call, name, number
from tme_sim.export.notation import plain
from tme_sim.export.source import TICKS_PER_DAY, Affine, ExportError, Source, apply_jump, calendar_of, identifier
from tme_sim.quantities import BASE_UNITS

NAMESPACES = (
    'xmlns="http://www.sbml.org/sbml/level3/version2/core" '
    'xmlns:sbml="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"'
)
MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML" xmlns:sbml="http://www.sbml.org/sbml/level3/version2/core">'
KINDS = {  # our base unit -> SBML base unit, scale, multiplier
    "day": ("second", 0, "86400"),
    "mm": ("metre", -3, "1"),
    "mg": ("gram", -3, "1"),
    "nmol": ("mole", -9, "1"),
    "mmHg": ("pascal", 0, "133.322387415"),
    "cell": ("item", 0, "1"),
}
SMALL = 4  # nodes of an expression tree: 1/K, -K, a*b
DISCLAIMER = "A research model. Not a medical device; not for decisions about patients."


def sbml_document(source: Source, model: Model | None = None) -> str:
    """The SBML text of a source; `model` is its symbolic network, built when left out.

    Raises:
        ExportError: a dose before the start, or an ontology term that is not PREFIX:ACCESSION.
    """
    return _Document(source, model or build(source.network)).text()


def document_values(source: Source, read: frozenset[str] | None = None) -> dict[str, float]:
    """Every number that the document of a source gives an identifier: initial states and inputs, parameters, constants.

    With it another patient or draw of the same network can be set in a simulator that has the document loaded.  `read`
    is what :func:`names_read` says of the network, worked out when left out.
    """
    read = names_read(build(source.network)) if read is None else read
    layout, z0 = source.layout, initial_state(source)
    out = {}
    for where in ("body", "lesion"):
        for b in range(layout.n_lesions if where == "lesion" else 1):
            for table, offset in ((layout.states, 0), (layout.held, len(source.y0))):
                for label in table[where]:
                    sid = identifier(label, where == "lesion", b, layout.n_lesions)
                    out[sid] = float(z0[offset + layout.index(table, label, b)])
            for label in (*layout.parameters[where], *(n for n in layout.solved[where] if n in read)):
                out[identifier(label, where == "lesion", b, layout.n_lesions)] = source.value(label, b)
    return out


def names_read(model: Model) -> frozenset[str]:
    """Every name that an expression of the document of a symbolic network reads."""
    model = without_small_constants(model)
    exprs = [n.expr for n in model.nodes.values()] + list(model.constants.values())
    exprs += [sympy.sympify(c) for flows in model.flows.values() for c, _ in flows]
    return frozenset(s.name for e in exprs for s in e.free_symbols)


def initial_state(source: Source) -> np.ndarray:
    """States and held inputs after the jumps of the first instant, internal units."""
    return apply_jump(calendar_of(source)[0], np.concatenate([source.y0, source.u0]))


def check(text: str) -> list[str]:
    """Everything libSBML finds wrong with a document, units and modelling practice included; empty when it is sound.

    Raises:
        ExportError: python-libsbml is not installed.
    """
    try:
        import libsbml
    except ImportError:
        raise ExportError("checking SBML needs python-libsbml; install it with: pip install 'tme-sim[sbml]'") from None
    document = libsbml.readSBMLFromString(text)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, True)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_MODELING_PRACTICE, True)
    document.checkConsistency()
    found = [document.getError(i) for i in range(document.getNumErrors())]
    return [f"{e.getSeverityAsString()} {e.getErrorId()}, line {e.getLine()}: {e.getMessage().strip()}" for e in found]


def checked(text: str) -> str:
    """The same text, judged by libSBML where that is installed.

    Raises:
        ExportError: libSBML finds an error or a warning.
    """
    try:
        import libsbml  # noqa: F401
    except ImportError:
        return text
    found = check(text)
    if found:
        raise ExportError("the SBML of this model is not sound:\n" + "\n".join(found[:10]))
    return text


def without_small_constants(model: Model) -> Model:
    """A copy of a symbolic model in which constants of a few symbols, like ``1/K``, stand written out."""
    size = {n: sum(1 for _ in sympy.preorder_traversal(e)) for n, e in model.constants.items()}
    small = {sympy.Symbol(n): e for n, e in model.constants.items() if size[n] <= SMALL}

    def written_out(expr):
        """An expression with its small constants written out, and theirs."""
        found = [s for s in expr.free_symbols if s in small]
        return written_out(expr.xreplace({s: small[s] for s in found})) if found else expr

    nodes = {n: replace(node, expr=written_out(node.expr)) for n, node in model.nodes.items()}
    constants = {n: written_out(e) for n, e in model.constants.items() if sympy.Symbol(n) not in small}
    return replace(model, nodes=nodes, constants=constants)


class _Document:
    def __init__(self, source: Source, model: Model):
        self.source, self.model, self.layout = source, without_small_constants(model), source.layout
        self.dims = Dimensions(self.model)
        self.used_units: dict[Dim, str] = {}
        self.writer = Writer(self.dims, self.unit)
        self.species = {s.name: s for s in model.network.species}
        self.held = {h.name: h for h in model.network.held}
        self.active = "active" if "active" in model.held["lesion"] else ""
        self.later = calendar_of(source)[1]
        self.z0 = initial_state(source)
        self.read = names_read(model)
        taken = set(model.scope) | set(model.role)
        self.places = {w: w if w not in taken else f"{w}_compartment" for w in ("body", "lesion")}

    # -- names, units ------------------------------------------------------------------------------------------------

    def sid(self, label: str, lesion: int) -> str:
        """Identifier of a network name in a lesion (from 0)."""
        return identifier(label, self.model.scope[label] == "lesion", lesion, self.layout.n_lesions)

    def at(self, lesion: int):
        """How names are written in a lesion."""
        return lambda label: self.sid(label, lesion)

    def copies(self, where: str) -> Iterable[int]:
        """Lesions (from 0) for which something of a place stands in the document."""
        return range(self.layout.n_lesions) if where == "lesion" else (0,)

    def unit(self, dim: Dim) -> str:
        """Identifier of the unit of a dimension, noted as used."""
        if dim == NONE:
            return "dimensionless"
        if dim not in self.used_units:
            self.used_units[dim] = unit_name(dim)
        return self.used_units[dim]

    def math(self, expr, wanted: Dim | None, lesion: int) -> str:
        """A law as MathML in the dimension that is wanted."""
        return self.wrap(self.writer.math(expr, wanted, self.at(lesion)))

    @staticmethod
    def wrap(inner: str) -> str:
        """MathML content as a `math` element."""
        return f"{MATH}{inner}</math>"

    # -- the document ------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The whole document, in the order that SBML asks for."""
        parts = {
            "listOfCompartments": self.compartments(),
            "listOfSpecies": self.states(as_species=True),
            "listOfParameters": [
                *self.states(as_species=False), *self.inputs(), *self.parameters(), *self.solved(), *self.variables(),
            ],
            "listOfInitialAssignments": self.assignments(),
            "listOfRules": [*self.rules(), *self.rate_rules()],
            "listOfEvents": self.events(),
        }  # fmt: skip
        for base in BASE_UNITS[:2]:
            self.unit(_base(base))
        volume, area = self.unit(_power("mm", 3)), self.unit(_power("mm", 2))
        body = "".join(f"<{tag}>\n{''.join(items)}</{tag}>\n" for tag, items in parts.items() if items)
        head = (
            f'<model id="{model_id(self.source.title)}" name={quoteattr(self.source.title)} timeUnits="day" '
            f'lengthUnits="mm" areaUnits="{area}" volumeUnits="{volume}">\n'
        )
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<sbml {NAMESPACES}>\n{head}{self.notes(self.about())}'
            f"{self.functions()}{self.units()}{body}</model>\n</sbml>\n"
        )

    def about(self) -> list[str]:
        """What a reader is told of the model: mechanisms, units, time 0, what the document holds."""
        mechanisms = ", ".join(m.name for m in self.model.network.mechanisms)
        lines = [
            f"Exported by tme_sim. Mechanisms: {mechanisms}.",
            "Units: day, mm, mg, nmol, mmHg, cell (SBML item).",
            f"Time 0 is day {self.source.start / TICKS_PER_DAY:g} of the calendar.",
            "Parameters whose note says so shape the untreated baseline only: it was solved before the export.",
            DISCLAIMER,
        ]
        if self.model.network.choices:
            chosen = ", ".join(f"{k} = {v}" for k, v in sorted(self.model.network.choices.items()))
            lines.insert(1, f"Hypotheses chosen: {chosen}.")
        if self.source.digest:
            lines.insert(1, f"Model digest {self.source.digest}.")
        return lines

    @staticmethod
    def notes(lines: Iterable[str]) -> str:
        """Lines as the notes of an element; nothing for none."""
        inner = "".join(f"<p>{escape(printable(line))}</p>" for line in lines if line)
        return f'<notes><body xmlns="http://www.w3.org/1999/xhtml">{inner}</body></notes>\n' if inner else ""

    @staticmethod
    def functions() -> str:
        """The one function that laws need: a power whose base is not negative."""
        guarded = call("power", call("max", name("x"), number(0, "dimensionless")), name("n"))
        return (
            f'<listOfFunctionDefinitions>\n<functionDefinition id="{POWER}" name="max(x, 0)^n">{MATH}<lambda>'
            f"<bvar>{name('x')}</bvar><bvar>{name('n')}</bvar>{guarded}</lambda></math></functionDefinition>\n"
            "</listOfFunctionDefinitions>\n"
        )

    def units(self) -> str:
        """Definitions of the units that were used."""
        out = []
        for dim, label in sorted(self.used_units.items(), key=lambda item: item[1]):
            rows = []
            for base, exponent in zip(BASE_UNITS, dim, strict=True):
                if exponent:
                    kind, scale, multiplier = KINDS[base]
                    power = int(exponent) if exponent.denominator == 1 else float(exponent)
                    rows.append(f'<unit kind="{kind}" exponent="{power}" scale="{scale}" multiplier="{multiplier}"/>')
            out.append(f'<unitDefinition id="{label}"><listOfUnits>{"".join(rows)}</listOfUnits></unitDefinition>\n')
        return f"<listOfUnitDefinitions>\n{''.join(out)}</listOfUnitDefinitions>\n"

    def compartments(self) -> list[str]:
        """Places that hold amounts: blood, node, each lesion."""
        out = []
        for where, place in self.places.items():
            if any(self.kind(s) for s in self.model.states[where]):
                for b in self.copies(where):
                    label = identifier(place, where == "lesion", b, self.layout.n_lesions)
                    out.append(
                        f'<compartment id="{label}" name="{where}: reference volume" spatialDimensions="3" size="1" '
                        f'units="{self.unit(_power("mm", 3))}" constant="true"/>\n'
                    )
        return out

    def kind(self, state: str) -> tuple[Dim, bool] | None:
        """(unit of substance, whether the state is an amount rather than a concentration), or None: not a species."""
        dim = self.dims.known[state]
        for base in ("mg", "nmol", "cell"):
            if dim == _base(base):
                return dim, True
            if dim == over(_base(base), _power("mm", 3)):
                return _base(base), False
        return None

    def states(self, as_species: bool) -> list[str]:
        """States, as species (amounts in a place) or as parameters (all else)."""
        out = []
        for where in ("body", "lesion"):
            for b in self.copies(where):
                for label in self.model.states[where]:
                    kind = self.kind(label)
                    if (kind is not None) == as_species:
                        out.append(self.state(label, b, kind))
        return out

    def state(self, label: str, lesion: int, kind) -> str:
        """One state with its start value and its ontology term."""
        item, sid = self.species[label], self.sid(label, lesion)
        value = repr(float(self.z0[self.layout.index(self.layout.states, label, lesion)]))
        if kind is None:
            head = f'parameter id="{sid}" value="{value}" units="{self.unit(self.dims.known[label])}" constant="false"'
        else:
            substance, amount = kind
            place = identifier(self.places[item.where], item.where == "lesion", lesion, self.layout.n_lesions)
            head = (
                f'species id="{sid}" compartment="{place}" initial{"Amount" if amount else "Concentration"}="{value}" '
                f'substanceUnits="{self.unit(substance)}" hasOnlySubstanceUnits="{str(amount).lower()}" '
                'boundaryCondition="true" constant="false"'
            )
        tag = head.split(" ", 1)[0]
        meta = f' metaid="meta_{sid}"' if item.ontology else ""
        inner = self.notes([f"Read in {item.unit}."] if item.unit != "1" else [])
        inner += annotation(f"meta_{sid}", item.ontology)
        return f"<{head} name={quoteattr(self.label(item.label, item.where, lesion))}{meta}>{inner}</{tag}>\n"

    def label(self, text: str, where: str, lesion: int) -> str:
        """A label, with the number of its lesion where there are several."""
        return printable(f"{text}, lesion {lesion + 1}" if where == "lesion" and self.layout.n_lesions > 1 else text)

    def parameter(self, label: str, lesion: int, value, text: str, notes=(), constant=True) -> str:
        """A parameter element."""
        number_ = "" if value is None else f' value="{float(value)!r}"'
        head = (
            f'<parameter id="{self.sid(label, lesion)}" name={quoteattr(printable(text) or label)}{number_} '
            f'units="{self.unit(self.dims.known[label])}" constant="{str(constant).lower()}"'
        )
        inner = self.notes(notes)
        return f"{head}>{inner}</parameter>\n" if inner else f"{head}/>\n"

    def inputs(self) -> list[str]:
        """Held inputs, which events change."""
        offset = len(self.source.y0)
        return [
            self.parameter(
                label, b, self.z0[offset + self.layout.index(self.layout.held, label, b)],
                self.label(self.held[label].label, where, b), constant=False,
            )
            for where in ("body", "lesion")
            for b in self.copies(where)
            for label in self.model.held[where]
        ]  # fmt: skip

    def parameters(self) -> list[str]:
        """Declared parameters with source, grade and evidence in their notes."""
        out = []
        for where in ("body", "lesion"):
            for b in self.copies(where):
                for declared in self.model.network.parameters(where):
                    p = self.source.resolved.get(declared.name, declared)
                    notes = [
                        f"Declared {p.value:g} {p.unit if p.unit != '1' else ''}".rstrip()
                        + f", range {p.low:g} to {p.high:g}; grade {p.grade}. Source: {p.source}."
                    ]
                    if self.source.origin(p.name, b) != "declared":
                        notes.append(f"Value from {self.source.origin(p.name, b)}.")
                    if p.name not in self.read:
                        notes.append("Shapes the untreated baseline or doses only.")
                    text = self.label(p.label or p.note or p.name.replace("_", " "), where, b)
                    out.append(self.parameter(p.name, b, self.source.value(p.name, b), text, notes))
        return out

    def solved(self) -> list[str]:
        """Parameters and references solved at the untreated baseline, and constants of them."""
        labels = {b.parameter: f"{b.label} (solved from the untreated baseline)" for b in self.model.network.balances}
        labels |= {r.name: f"{r.label} (value at the untreated baseline)" for r in self.model.network.references}
        labels |= {f"{s.name}_start": f"{s.label} at the untreated baseline" for s in self.model.network.species}
        labels |= {n: plain(e) for n, e in self.model.constants.items()}
        out = []
        for where in ("body", "lesion"):
            for b in self.copies(where):
                for label in self.layout.solved[where]:
                    if label in self.read:
                        text = self.label(labels[label], where, b)
                        out.append(self.parameter(label, b, self.source.value(label, b), text))
        return out

    def variables(self) -> list[str]:
        """Signals and totals, which rules compute."""
        return [
            self.parameter(n.name, b, None, self.label(n.label or n.name, n.where, b), constant=False)
            for n in self.model.nodes.values()
            for b in self.copies(n.where)
        ]

    def assignments(self) -> list[str]:
        """Constants that follow from parameters."""
        out = []
        for label, expr in self.model.constants.items():
            if label in self.read:
                for b in self.copies(self.model.scope[label]):
                    math = self.math(expr, self.dims.known[label], b)
                    out.append(f'<initialAssignment symbol="{self.sid(label, b)}">{math}</initialAssignment>\n')
        return out

    # -- rules -------------------------------------------------------------------------------------------------------

    def rules(self) -> list[str]:
        """Assignment rules of signals, rates and totals."""
        out = []
        for node in self.model.nodes.values():
            for b in self.copies(node.where):
                if node.kind == "total":
                    math = self.wrap(self.total(node.expr, self.dims.known[node.name]))
                else:
                    math = self.math(node.expr, self.dims.known[node.name], b)
                out.append(f'<assignmentRule variable="{self.sid(node.name, b)}">{math}</assignmentRule>\n')
        return out

    def total(self, expr, dim: Dim) -> str:
        """A sum over the lesions that are there."""
        parts = []
        for b in range(self.layout.n_lesions):
            part = self.writer.math(expr, dim, self.at(b))
            parts.append(call("times", name(self.sid(self.active, b)), part) if self.active else part)
        return parts[0] if len(parts) == 1 else call("plus", *parts)

    def rate_rules(self) -> list[str]:
        """Rate rules of all states."""
        out = []
        for where in ("body", "lesion"):
            for b in self.copies(where):
                for state in self.model.states[where]:
                    math = self.wrap(self.change(state, where, b))
                    out.append(f'<rateRule variable="{self.sid(state, b)}">{math}</rateRule>\n')
        return out

    def change(self, state: str, where: str, lesion: int) -> str:
        """What a state changes by per day: its flows with their signs."""
        wanted = times(self.dims.known[state], PER_DAY)
        terms = []  # (negative, text)
        for coefficient, rate in self.model.flows[state]:
            inner_scope = self.model.scope[rate]
            summed = where == "body" and inner_scope == "lesion"
            for b in range(self.layout.n_lesions) if summed else (lesion,):
                negative, text = self.flow(coefficient, rate, wanted, b)
                if summed and self.active:
                    text = call("times", name(self.sid(self.active, b)), text)
                terms.append((negative, text))
        text = self.signed_sum(terms) if terms else number(0, self.unit(wanted))
        if where == "lesion" and self.active and terms:
            text = call("times", name(self.sid(self.active, lesion)), text)
        return text

    def flow(self, coefficient, rate: str, wanted: Dim, lesion: int) -> tuple[bool, str]:
        """One flow as (whether it is lost, MathML)."""
        rate_text = name(self.sid(rate, lesion))
        coefficient = sympy.sympify(coefficient)
        dim = over(wanted, self.dims.known[rate])
        negative = bool(coefficient.is_negative) and bool(coefficient.is_Number)
        size = -coefficient if negative else coefficient
        if size.is_Number and float(size) == 1.0 and dim == NONE:
            return negative, rate_text
        return negative, call("times", self.writer.math(size, dim, self.at(lesion)), rate_text)

    @staticmethod
    def signed_sum(terms: list[tuple[bool, str]]) -> str:
        """Gains less losses."""
        plus = [t for negative, t in terms if not negative]
        minus = [t for negative, t in terms if negative]
        text = "" if not plus else plus[0] if len(plus) == 1 else call("plus", *plus)
        lost = "" if not minus else minus[0] if len(minus) == 1 else call("plus", *minus)
        if not lost:
            return text
        return call("minus", text, lost) if text else call("minus", lost)

    # -- calendar ----------------------------------------------------------------------------------------------------

    def events(self) -> list[str]:
        """Doses and procedures as events."""
        out = []
        for tick, jump in self.later:
            when = number((tick - self.source.start) / TICKS_PER_DAY, "day")
            trigger = f'<trigger initialValue="false" persistent="true">{self.wrap(call("geq", TIME, when))}</trigger>'
            body = "".join(
                f'<eventAssignment variable="{self.z_name(dest)}">{self.wrap(self.jump(jump, dest))}</eventAssignment>'
                for dest in sorted(jump)
            )
            out.append(
                f'<event id="at_minute_{tick - self.source.start}" name="day {tick / TICKS_PER_DAY:.10g}" '
                'useValuesFromTriggerTime="true">'
                f"{trigger}<listOfEventAssignments>{body}</listOfEventAssignments></event>\n"
            )
        self.unit(_base("day"))
        return out

    def z_name(self, index: int) -> str:
        """Identifier of an entry of the vector of states and held inputs."""
        label, lesion = self.z_item(index)
        return self.sid(label, lesion)

    def z_item(self, index: int) -> tuple[str, int]:
        """Network name and lesion of an entry of that vector."""
        n = len(self.source.y0)
        table = self.layout.states if index < n else self.layout.held
        base, _, lesion = self.layout.labels(table)[index if index < n else index - n].partition(".")
        return base, int(lesion) - 1 if lesion else 0

    def jump(self, jump: Affine, dest: int) -> str:
        """The value that an event gives to an entry: an affine sum."""
        terms, constant = jump[dest]
        wanted = self.dims.known[self.z_item(dest)[0]]
        parts = []
        for src, coef in sorted(terms.items()):
            dim = over(wanted, self.dims.known[self.z_item(src)[0]])
            text = name(self.z_name(src))
            parts.append(text if coef == 1.0 and dim == NONE else call("times", number(coef, self.unit(dim)), text))
        if constant != 0.0 or not parts:
            parts.append(number(constant, self.unit(wanted)))
        return parts[0] if len(parts) == 1 else call("plus", *parts)


def _power(base: str, n: int) -> Dim:
    from fractions import Fraction

    return tuple(Fraction(n if b == base else 0) for b in BASE_UNITS)


def _base(base: str) -> Dim:
    return _power(base, 1)


def unit_name(dim: Dim) -> str:
    """Identifier of a unit: ``cell_per_mm3_day``, ``per_day``, ``mm2_per_day``."""

    def part(base, exponent):
        """A base unit with its power, the sign apart."""
        size = abs(exponent)
        power = "" if size == 1 else str(size).replace("/", "over")
        return f"{base}{power}"

    pairs = [(b, e) for b, e in zip(BASE_UNITS, dim, strict=True) if e]
    order = ("cell", "nmol", "mg", "mmHg", "mm", "day")
    pairs.sort(key=lambda pair: order.index(pair[0]))
    above = "_".join(part(b, e) for b, e in pairs if e > 0)
    below = "_".join(part(b, e) for b, e in pairs if e < 0)
    return "_".join(p for p in (above, "per_" + below if below else "") if p)


def model_id(title: str) -> str:
    """A legal SBML identifier made of a title."""
    text = re.sub(r"[^A-Za-z0-9_]+", "_", title).strip("_") or "tme_sim"
    return text if not text[0].isdigit() else f"model_{text}"


def printable(text: str) -> str:
    """Text without the control characters that XML forbids, in one line."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())


def annotation(metaid: str, ontology: str) -> str:
    """RDF that links an element to identifiers.org; nothing for an empty ontology term."""
    if not ontology:
        return ""
    prefix, _, accession = ontology.partition(":")
    if not accession or not re.fullmatch(r"[A-Za-z0-9_.]+", prefix) or not re.fullmatch(r"[A-Za-z0-9_.-]+", accession):
        raise ExportError(f'ontology term "{ontology}" is not PREFIX:ACCESSION')
    prefix = {"UniProt": "uniprot"}.get(prefix, prefix)
    return (
        '<annotation><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns:bqbiol="http://biomodels.net/biology-qualifiers/">'
        f'<rdf:Description rdf:about="#{metaid}"><bqbiol:isVersionOf><rdf:Bag>'
        f'<rdf:li rdf:resource="https://identifiers.org/{prefix}:{accession}"/>'
        "</rdf:Bag></bqbiol:isVersionOf></rdf:Description></rdf:RDF></annotation>\n"
    )
