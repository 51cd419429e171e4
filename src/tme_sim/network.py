"""Species, processes and mechanisms, and the network they compose.

A mechanism is one file of :mod:`tme_sim.mechanisms` or :mod:`tme_sim.therapies`.  It declares what it adds (species,
held inputs, parameters), what it derives (signals, totals) and what happens (processes of a closed vocabulary, and
modulations, the arrows of the network).  Laws bind by argument name: an argument called ``HIF1`` receives the species,
parameter or signal of that name.

| kind       | the law returns                 | mean-field rate                     | changes                     |
|------------|---------------------------------|-------------------------------------|-----------------------------|
| division   | hazard per actor, 1/day         | law * of                            | of +1                       |
| death      | hazard per actor, 1/day         | law * of                            | of -1, into +amount         |
| transition | hazard per actor, 1/day         | law * of                            | of -1, into +amount         |
| decay      | first-order rate, 1/day         | law * of                            | of -1                       |
| arrival    | amount of `into` per day        | law                                 | into +1                     |
| secretion  | amount per actor and day        | law * by                            | of +1                       |
| uptake     | amount per actor and day        | law * by                            | of -1                       |
| exchange   | flow per day, signed            | law                                 | of -1, into +amount         |
| contact    | hazard per touching pair, 1/day | law * of * by * contact volume      | of -1, into +amount         |

A modulation multiplies one process by a factor; its gain in [0, 1] scales it between "arrow cut" (factor 1) and the
full factor, and is a parameter, so that a knock-out never recompiles.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from typing import Any

from tme_sim.quantities import Parameter

Law = Callable[..., Any]
KINDS = ("division", "death", "transition", "decay", "arrival", "secretion", "uptake", "exchange", "contact")
PLACES = ("body", "lesion")


class NetworkError(ValueError):
    """A network that cannot be composed; the message names the place and the repair."""


@dataclass(frozen=True)
class Species:
    """A state variable.

    `unit` is what people read; inside, everything is in the coherent system of :mod:`tme_sim.quantities`.  `initial`
    is the untreated value: a number in `unit`, the name of a parameter or signal, or a law of such names (a species
    named in it stands for its own initial value).  `rest` is the value others read while the mechanism is switched off.
    `scale` (in `unit`) is the size below which the value means nothing; absolute tolerances are taken from it.
    """

    name: str
    unit: str
    label: str
    where: str = "lesion"
    kind: str = "cell"
    initial: float | str | Law = 0.0
    scale: float = 1.0
    rest: float = 0.0
    ontology: str = ""


@dataclass(frozen=True)
class Held:
    """An input that only events change: an infusion rate, a switch, a clock that is running or not."""

    name: str
    unit: str
    label: str
    where: str = "body"
    initial: float = 0.0


@dataclass(frozen=True)
class Signal:
    """A quantity derived from the present state by a law.

    `where = "body"` signals may be read by lesions if they read body states only.  `pivot` keeps the derivative chain
    short when many laws read a signal that itself reads many states.  `rest` is what others read when it is off.
    """

    name: str
    law: Law
    unit: str
    label: str
    where: str = "lesion"
    rest: float | tuple[float, ...] = 0.0
    pivot: bool = False
    bind: Mapping[str, str] = field(default_factory=dict)
    parts: int = 0  # > 0: the law returns this many values, named name_0 ... ; `label` is that of the family


@dataclass(frozen=True)
class Total:
    """The sum over all lesions of a lesion-level law."""

    name: str
    law: Law
    unit: str
    label: str
    rest: float = 0.0
    bind: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Process:
    """Something that happens, of one of the nine kinds in the module's table."""

    name: str
    kind: str
    law: Law
    of: str
    label: str
    by: str = ""
    into: tuple[tuple[str, float | str], ...] = ()
    where: str = "lesion"
    reach: str = ""  # contact: the parameter that holds the contact volume
    bind: Mapping[str, str] = field(default_factory=dict)
    alternative: str = ""  # name of the registered hypothesis this law belongs to


@dataclass(frozen=True)
class Modulation:
    """An arrow: a factor on one process, or the same on several; cut by its gain (a parameter `gain_<name>`)."""

    name: str
    of: str | tuple[str, ...]
    law: Law
    label: str
    bind: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the processes it multiplies."""
        return (self.of,) if isinstance(self.of, str) else self.of


@dataclass(frozen=True)
class Balance:
    """Before treatment, `species` changes as `grows` says (default: not at all); `parameter` is solved for that.

    The parameter must enter the rate of the species linearly.  `grows` names a signal or parameter of unit 1/day.
    """

    parameter: str
    species: str
    unit: str
    label: str
    grows: str = ""
    minimum: float = 0.0


@dataclass(frozen=True)
class Reference:
    """A value taken once, at the untreated baseline, and then kept: of a signal, or of a law of baseline values.

    In such a law a species stands for its initial value and `rate_<process>` for the rate of a process.  A value below
    `minimum` means that the patient as drawn cannot exist (for example negative apoptosis); the run is refused.
    """

    name: str
    signal: str | Law
    unit: str = "1"
    label: str = ""
    where: str = "lesion"
    minimum: float | None = None


@dataclass(frozen=True)
class Hypothesis:
    """A registered alternative: replaces laws of processes, signals, arrows or references, or values of parameters.

    `adds` is what its mechanism holds only while it is chosen: parameters, states, inputs, signals, processes, arrows.
    """

    slot: str  # for example "mdsc.loss"
    choice: str  # for example "slow_turnover"
    label: str
    source: str
    laws: Mapping[str, Law] = field(default_factory=dict)
    values: Mapping[str, Parameter] = field(default_factory=dict)
    adds: Mechanism | None = None


@dataclass(frozen=True)
class Mechanism:
    """One file of biology.  `text` is the module docstring with Biology, Simplified and Not included."""

    name: str
    text: str
    parameters: tuple[Parameter, ...] = ()
    lesion_parameters: tuple[Parameter, ...] = ()
    species: tuple[Species, ...] = ()
    held: tuple[Held, ...] = ()
    signals: tuple[Signal, ...] = ()
    totals: tuple[Total, ...] = ()
    processes: tuple[Process, ...] = ()
    modulations: tuple[Modulation, ...] = ()
    balances: tuple[Balance, ...] = ()
    references: tuple[Reference, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()


ADDED = ("parameters", "species", "held", "signals", "processes", "modulations")
"""What a hypothesis may add to its mechanism."""


# --- constructors that read like a sentence -----------------------------------------------------------------------


def _into(into, amount) -> tuple[tuple[str, float | str], ...]:
    if into is None:
        return ()
    if isinstance(into, str):
        return ((into, amount),)
    return tuple(into.items())


def division(name, of, law, label, *, where="lesion", bind=None) -> Process:
    """A cell of `of` becomes two; the law gives the hazard per cell (1/day)."""
    return Process(name, "division", law, of, label, where=where, bind=bind or {})


def death(name, of, law, label, *, into=None, amount=1.0, where="lesion", bind=None) -> Process:
    """A cell of `of` dies, leaving `amount` of `into`; the law gives the hazard per cell (1/day)."""
    return Process(name, "death", law, of, label, into=_into(into, amount), where=where, bind=bind or {})


def transition(name, of, into, law, label, *, amount=1.0, where="lesion", bind=None) -> Process:
    """A member of `of` becomes one of `into`; the law gives the hazard (1/day)."""
    return Process(name, "transition", law, of, label, into=_into(into, amount), where=where, bind=bind or {})


def decay(name, of, law, label, *, where="lesion", bind=None) -> Process:
    """First-order loss; the law gives the rate (1/day)."""
    return Process(name, "decay", law, of, label, where=where, bind=bind or {})


def arrival(name, into, law, label, *, where="lesion", bind=None) -> Process:
    """`into` gains what the law gives per day; a relaxing level is an arrival and a decay."""
    return Process(name, "arrival", law, into, label, where=where, bind=bind or {})


def secretion(name, of, by, law, label, *, where="lesion", bind=None) -> Process:
    """Each member of `by` adds what the law gives (amount per actor and day) to `of`."""
    return Process(name, "secretion", law, of, label, by=by, where=where, bind=bind or {})


def uptake(name, of, by, law, label, *, where="lesion", bind=None) -> Process:
    """Each member of `by` removes what the law gives (amount per actor and day) from `of`."""
    return Process(name, "uptake", law, of, label, by=by, where=where, bind=bind or {})


def exchange(name, of, into, law, label, *, amount=1.0, where="lesion", bind=None) -> Process:
    """A flow out of `of` into `into`; the law gives it in units of `of` per day, and may be negative."""
    return Process(name, "exchange", law, of, label, into=_into(into, amount), where=where, bind=bind or {})


def contact(name, of, by, reach, law, label, *, into=None, amount=1.0, where="lesion", bind=None) -> Process:
    """A member of `by` that touches one of `of` ends it; the law gives the hazard per touching pair (1/day)."""
    return Process(
        name, "contact", law, of, label, by=by, into=_into(into, amount), where=where, reach=reach, bind=bind or {}
    )


# --- composing ----------------------------------------------------------------------------------------------------


def arguments(law: Law, bind: Mapping[str, str]) -> dict[str, str]:
    """Map each argument of `law` to the network name it reads.

    Raises:
        NetworkError: for a law with ``*args`` or ``**kwargs``.
    """
    names = {}
    for parameter in inspect.signature(law).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise NetworkError(f"law {law.__name__}: arguments must be named one by one")
        names[parameter.name] = bind.get(parameter.name, parameter.name)
    return names


def actors_of(process: Process) -> list[str]:
    """Names the law is multiplied by in the mean field."""
    if process.kind in ("division", "death", "transition", "decay"):
        return [process.of]
    if process.kind in ("secretion", "uptake"):
        return [process.by]
    if process.kind == "contact":
        return [process.of, process.by, process.reach]
    return []


OXYGEN = "oxygen"  # the one argument that is averaged over tissue fractions (see mechanisms/oxygen.py)


@dataclass(frozen=True)
class Network:
    """Mechanisms composed and checked: every name is known, declared once, and every law can be bound.

    `rests` holds the resting values of species and signals whose mechanism is switched off.
    """

    mechanisms: tuple[Mechanism, ...]
    rests: Mapping[str, tuple[float, str]]
    choices: Mapping[str, str]

    def _all(self, kind: str) -> list:
        return [item for mechanism in self.mechanisms for item in getattr(mechanism, kind)]

    @property
    def species(self) -> list[Species]:
        return self._all("species")

    @property
    def held(self) -> list[Held]:
        return self._all("held")

    @property
    def signals(self) -> list[Signal]:
        return self._all("signals")

    @property
    def totals(self) -> list[Total]:
        return self._all("totals")

    @property
    def processes(self) -> list[Process]:
        return self._all("processes")

    @property
    def modulations(self) -> list[Modulation]:
        return self._all("modulations")

    @property
    def balances(self) -> list[Balance]:
        return self._all("balances")

    @property
    def references(self) -> list[Reference]:
        return self._all("references")

    def parameters(self, where: str | None = None) -> list[Parameter]:
        """All parameters with the gains of the arrows; `where` = "body" or "lesion" restricts them."""
        body = self._all("parameters") + [gain_of(m) for m in self.modulations]
        lesion = self._all("lesion_parameters")
        return {"body": body, "lesion": lesion, None: body + lesion}[where]

    def owner(self, name: str) -> str:
        """Name of the mechanism that declares `name` (species, parameter, signal, process, ...)."""
        for mechanism in self.mechanisms:
            for kind in (
                "parameters lesion_parameters species held signals totals processes modulations balances references"
            ).split():
                for item in getattr(mechanism, kind):
                    if name == (item.parameter if kind == "balances" else item.name):
                        return mechanism.name
            if name.startswith("gain_") and any(name == f"gain_{m.name}" for m in mechanism.modulations):
                return mechanism.name
        raise KeyError(name)


def gain_of(modulation: Modulation) -> Parameter:
    """The gain parameter of an arrow: 1 leaves it as it is, 0 cuts it."""
    return Parameter(
        name=f"gain_{modulation.name}",
        value=1.0,
        unit="1",
        source=modulation.source or "switch of an arrow, by construction",
        grade="high",
        low=0.0,
        high=1.0,
        note=f"gain of the arrow: {modulation.label}",
    )


def compose(
    mechanisms: Iterable[Mechanism],
    *,
    off: Iterable[str] = (),
    hypotheses: Mapping[str, str] | None = None,
) -> Network:
    """Join mechanisms into a checked network.

    Mechanisms named in `off` contribute nothing but the resting values of what others read from them.  `hypotheses`
    maps a slot ("mdsc.loss") to the choice to use ("slow_turnover").

    Raises:
        NetworkError: unknown or doubled names, laws that read what nobody provides, unknown mechanisms or hypotheses;
            the message lists all of them with the nearest known names.
    """
    from tme_sim.diagnostics import nearest

    mechanisms = list(mechanisms)
    known = [m.name for m in mechanisms]
    problems: list[str] = []
    for name in off:
        if name not in known:
            problems.append(f'mechanism "{name}" is not known{nearest(name, known)}')
    on = [m for m in mechanisms if m.name not in set(off)]
    unit_of = {s.name: s.unit for m in mechanisms for s in m.species}
    rests = {
        item.name: (item.rest, item.unit)
        for m in mechanisms
        if m.name in set(off)
        for item in (*m.species, *m.signals, *m.totals)
    }
    for m in mechanisms:
        if m.name in set(off):
            for signal in m.signals:
                for i in range(signal.parts):
                    rest = signal.rest[i] if isinstance(signal.rest, tuple) else signal.rest
                    rests[f"{signal.name}_{i}"] = (rest, signal.unit)
            rests |= {f"{item.name}_start": (item.rest, item.unit) for item in m.species}
            rests |= {f"rate_{p.name}": (0.0, f"{unit_of.get(p.of, '1')}/day") for p in m.processes}
    on, chosen, more = _choose(on, hypotheses or {})
    problems += more
    network = Network(tuple(on), rests, chosen)
    problems += _check_names(network)
    if problems:
        raise NetworkError("\n".join(problems))
    return network


def _choose(mechanisms: list[Mechanism], wanted: Mapping[str, str]):
    """Apply registered alternatives; returns the mechanisms, the choices made and the problems found."""
    from tme_sim.diagnostics import nearest

    slots: dict[str, dict[str, Hypothesis]] = {}
    for mechanism in mechanisms:
        for hypothesis in mechanism.hypotheses:
            slots.setdefault(hypothesis.slot, {})[hypothesis.choice] = hypothesis
    problems, chosen = [], {}
    for slot, choice in wanted.items():
        if slot not in slots:
            problems.append(f'hypothesis "{slot}" is not registered{nearest(slot, slots)}')
        elif choice != "default" and choice not in slots[slot]:
            offered = ["default", *slots[slot]]
            problems.append(f'hypothesis "{slot}" has no choice "{choice}"; choose one of {", ".join(offered)}')
        elif choice != "default":
            chosen[slot] = choice
    picked = [slots[s][c] for s, c in chosen.items()]
    laws = {name: law for h in picked for name, law in h.laws.items()}
    values = {name: value for h in picked for name, value in h.values.items()}

    def swap(items):
        return tuple(replace(i, law=laws[i.name]) if i.name in laws else i for i in items)

    def grown(m: Mechanism) -> Mechanism:
        """The mechanism with what its chosen hypotheses add."""
        more = [h.adds for h in m.hypotheses if h.adds is not None and any(h is one for one in picked)]
        return replace(m, **{kind: (*getattr(m, kind), *(item for one in more for item in getattr(one, kind)))
                             for kind in ADDED}) if more else m  # fmt: skip

    out = [
        replace(
            m,
            processes=swap(m.processes),
            signals=swap(m.signals),
            modulations=swap(m.modulations),
            references=tuple(replace(r, signal=laws[r.name]) if r.name in laws else r for r in m.references),
            parameters=tuple(values.get(p.name, p) for p in m.parameters),
            lesion_parameters=tuple(values.get(p.name, p) for p in m.lesion_parameters),
        )
        for m in map(grown, mechanisms)
    ]
    return out, chosen, problems


RESERVED = frozenset("y u th dy jv out b i par numba sqrt exp_ log_ pow_ min max".split())
"""Vectors and functions of the generated code; a species or parameter of that name would hide them."""


def _check_names(network: Network) -> list[str]:
    from tme_sim.diagnostics import nearest

    problems: list[str] = []
    seen: dict[str, str] = {}

    def declare(name: str, what: str) -> None:
        """Note a name, and what is wrong with it."""
        if not name.isidentifier():
            problems.append(f'{what} "{name}" is not a plain name (letters, digits, underscore)')
        elif iskeyword(name) or name in RESERVED:
            problems.append(
                f'{what} "{name}": the generated code uses this word itself; call it "{name}_value" or the like'
            )
        if name.endswith("_start") and any(name == f"{s.name}_start" for s in network.species):
            problems.append(f'{what} "{name}" is taken: it stands for the initial value of the species')
        if name in seen:
            problems.append(f'{what} "{name}" is declared twice (also as {seen[name]})')
        seen[name] = what

    for item in network.parameters():
        declare(item.name, "parameter")
    for item in network.balances:
        declare(item.parameter, "balanced parameter")
    for item in network.references:
        declare(item.name, "reference")
    for item in network.species:
        declare(item.name, "species")
    for item in network.held:
        declare(item.name, "held input")
    for item in network.signals:
        declare(item.name, "signal")
        for i in range(item.parts):
            declare(f"{item.name}_{i}", "signal")
    for item in network.totals:
        declare(item.name, "total")
    known = [*seen, *network.rests, OXYGEN, *(f"rate_{p.name}" for p in network.processes)]
    known += [f"{s.name}_start" for s in network.species]
    species = {s.name for s in network.species}
    processes = {}
    for process in network.processes:
        if process.name in processes:
            problems.append(f'process "{process.name}" is declared twice')
        processes[process.name] = process
        if process.kind not in KINDS:
            problems.append(f'process "{process.name}": kind "{process.kind}" is not one of {", ".join(KINDS)}')

    def reads(what, law, bind):
        for name in arguments(law, bind).values():
            if name not in known:
                problems.append(
                    f'{what}: its law {law.__name__} reads "{name}", which nobody provides{nearest(name, known)}'
                )

    for s in network.species:
        if isinstance(s.initial, str) and s.initial not in known:
            problems.append(f'species "{s.name}": initial "{s.initial}" is not known{nearest(s.initial, known)}')
    for process in network.processes:
        reads(f'process "{process.name}"', process.law, process.bind)
        for target in [process.of, *([process.by] if process.by else []), *(t for t, _ in process.into)]:
            if target not in species and target not in network.rests and target not in seen:
                problems.append(f'process "{process.name}": "{target}" is not known{nearest(target, known)}')
    for signal in (*network.signals, *network.totals):
        reads(f'signal "{signal.name}"', signal.law, signal.bind)
    for m in network.modulations:
        reads(f'modulation "{m.name}"', m.law, m.bind)
        for target in m.targets:
            if target not in processes and f"rate_{target}" not in network.rests:
                problems.append(
                    f'modulation "{m.name}": process "{target}" is not known{nearest(target, processes)}'
                )
    for b in network.balances:
        if b.species not in species:
            problems.append(f'balance of "{b.parameter}": species "{b.species}" is not known')
    for r in network.references:
        if callable(r.signal):
            reads(f'reference "{r.name}"', r.signal, {})
        elif r.signal not in seen:
            problems.append(f'reference "{r.name}": signal "{r.signal}" is not known{nearest(r.signal, known)}')
    return problems
