"""The network in plain text: an overview, or everything about one name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tme_sim.describe.words import (
    doc_line,
    first_line,
    is_sum,
    law_text,
    reads_of_start,
    source_of,
    start_text,
    title,
    wrapped,
)
from tme_sim.network import (
    OXYGEN,
    Balance,
    Held,
    Hypothesis,
    Mechanism,
    Modulation,
    Network,
    Process,
    Reference,
    Signal,
    Species,
    Total,
    actors_of,
    arguments,
    gain_of,
)
from tme_sim.quantities import Parameter

ROLE = re.compile(r":(?:mod|func|class|data|attr|meth):`~?([^`]+)`")  # a cross-reference of the documentation
GRADE_ORDER = ("assumed", "low", "medium", "high")


class Describer:
    """Texts about one network; `drugs` are the names of the library that is told of beside it."""

    def __init__(self, network: Network, drugs: Iterable[str] = ()):
        self.network, self.drugs = network, tuple(drugs)
        self.items = self._items()
        self.owners = self._owners()
        self.readers = self._readers()

    # -- what there is -----------------------------------------------------------------------------------------------

    def _items(self) -> dict[str, list[tuple[str, Any]]]:
        """Name -> (kind, item), in the order in which they are told; a name may mean several things."""
        from tme_sim.therapies.session import FIXED

        items: dict[str, list[tuple[str, Any]]] = {}

        def put(name: str, kind: str, item: Any) -> None:
            items.setdefault(name, []).append((kind, item))

        network = self.network
        for m in network.mechanisms:
            put(m.name, "mechanism", m)
            for h in m.hypotheses:
                put(h.slot, "hypothesis", h)
        for p in network.parameters():
            put(p.name, "parameter", p)
        for p in FIXED:
            put(p.name, "number", p)
        kinds = ("species", "held", "totals", "modulations", "references", "processes", "signals", "balances")
        words = ("species", "input", "total", "arrow", "reference", "process", "signal", "solved parameter")
        for kind, word in zip(kinds, words, strict=True):
            for item in getattr(network, kind):
                put(item.parameter if kind == "balances" else item.name, word, item)
        for s in network.signals:
            for i in range(s.parts):
                put(f"{s.name}_{i}", "signal", s)
        for h in (h for m in network.mechanisms for h in m.hypotheses if h.adds is not None):
            for item in (*h.adds.parameters, *h.adds.species, *h.adds.processes, *h.adds.modulations):
                if item.name not in items:  # the hypothesis that would add it is not chosen
                    put(item.name, "hypothesis", h)
        return items

    def _readers(self) -> dict[str, list[str]]:
        """Name -> what reads it, as ``process division``."""
        readers: dict[str, list[str]] = {}

        def note(what: str, names: Iterable[str]) -> None:
            for name in dict.fromkeys(names):
                readers.setdefault(name, []).append(what)

        network = self.network
        for p in network.processes:
            amounts = [a for _, a in p.into if isinstance(a, str)]
            note(f"process {p.name}", [*arguments(p.law, p.bind).values(), *actors_of(p), *amounts])
        for s in network.signals:
            note(f"signal {s.name}", arguments(s.law, s.bind).values())
        for t in network.totals:
            note(f"total {t.name}", arguments(t.law, t.bind).values())
        for m in network.modulations:
            note(f"arrow {m.name}", [*arguments(m.law, m.bind).values(), gain_of(m).name])
        for s in network.species:
            if callable(s.initial) or isinstance(s.initial, str):
                note(f"untreated value of {s.name}", reads_of_start(s.initial))
        for r in network.references:
            note(f"reference {r.name}", reads_of_start(r.signal))
        for h in network.held:
            if isinstance(h.initial, str):
                note(f"untreated value of {h.name}", [h.initial])
        for b in network.balances:
            note(f"solved parameter {b.parameter}", [b.grows] if b.grows else [])
        return readers

    def read_by(self, name: str) -> list[str]:
        """What reads a name."""
        return self.readers.get(name, [])

    # -- overview ----------------------------------------------------------------------------------------------------

    def overview(self) -> list[str]:
        """The whole network: mechanisms, counts, hypotheses, order of a run, unit report."""
        network = self.network
        free = network.parameters()
        grades = {g: sum(p.grade == g for p in free if not p.name.startswith("gain_")) for g in GRADE_ORDER}
        body, lesion = (sum(s.where == w for s in network.species) for w in ("body", "lesion"))
        out = ["Mechanisms", "=========="]
        width = max(len(m.name) for m in network.mechanisms)
        for m in network.mechanisms:
            out += wrapped(first_line(m.text), f"{m.name:<{width}}  ")
        out += ["", "Counts", "======"]
        counts = {
            f"states ({body} of the body, {lesion} of each lesion)": body + lesion,
            "processes": len(network.processes),
            "arrows": len(network.modulations),
            "signals and totals": len(network.signals) + len(network.totals),
            "parameters": len(free) - len(network.modulations),
            "parameters solved from the untreated baseline": len(network.balances),
        }
        out += wrapped(", ".join(f"{n} {what}" for what, n in counts.items()) + ".")
        out += wrapped("Parameters by grade, weakest first: " + ", ".join(f"{n} {g}" for g, n in grades.items()) + ".")
        hypotheses = [h for m in network.mechanisms for h in m.hypotheses]
        if hypotheses:
            out += ["", "Hypotheses", "=========="]
            for slot in dict.fromkeys(h.slot for h in hypotheses):
                chosen = network.choices.get(slot, "default")
                out += wrapped(f"{slot} (now {chosen}): default, as the mechanism is written")
                for h in hypotheses:
                    if h.slot == slot:
                        out += wrapped(f"{h.choice}: {h.label}", "  or ")
        if self.drugs:
            out += ["", "Drugs", "=====", *wrapped(", ".join(self.drugs))]
        out += self.phases()
        out += ["", "Units", "=====", *self.units()]
        kinds = "a mechanism, parameter, state, signal, process, arrow, drug or endpoint"
        out += ["", *wrapped(f"More: tme-sim describe NAME, with {kinds}.")]
        return out

    def phases(self) -> list[str]:
        """The order of a run."""
        from tme_sim.plan import PHASES

        width = max(len(name) for name, _ in PHASES)
        out = ["", "Order of a run", "=============="]
        for name, text in PHASES:
            out += wrapped(text, f"{name:<{width}}  ")
        return out

    def units(self, mechanism: Mechanism | None = None) -> list[str]:
        """The unit report: every law called with quantities."""
        from tme_sim.compiler.unitcheck import report

        verdicts = report(self.network)
        if mechanism is not None:
            own = {f'process "{p.name}"' for p in mechanism.processes}
            own |= {f'signal "{s.name}"' for s in mechanism.signals} | {f'total "{t.name}"' for t in mechanism.totals}
            own |= {f'modulation "{m.name}"' for m in mechanism.modulations}
            own |= {f'start of "{s.name}"' for s in mechanism.species}
            own |= {f'reference "{r.name}"' for r in mechanism.references}
            verdicts = [v for v in verdicts if v.owner in own]
        bad = [v for v in verdicts if v.problem]
        if not bad:
            return wrapped(f"{len(verdicts)} laws checked in dimension and size: all consistent.")
        out = wrapped(f"{len(bad)} of {len(verdicts)} laws are inconsistent:")
        for v in bad:
            out += wrapped(f"{v.owner}: {v.law} {v.problem}", "  ")
        return out

    # -- one name ----------------------------------------------------------------------------------------------------

    def about(self, name: str) -> list[str]:
        """Everything about one name.

        Raises:
            InputError: unknown; with the nearest known names.
        """
        found = self.items.get(name) or self.items.get(name.removeprefix("rate_"))
        if not found:
            alike = [n for n in self.items if n.lower() == name.lower()]
            found = [pair for n in alike for pair in self.items[n]]
        if not found and name == OXYGEN:
            return wrapped(
                "oxygen, as the argument of a law: local oxygen. The law, together with its arrows that read it "
                "too, is averaged over the oxygen classes of viable tissue (tme-sim describe oxygen_share)."
            )
        if not found:
            self._unknown(name)
        out: list[str] = []
        slots: set[str] = set()
        for kind, item in found:
            if kind == "hypothesis" and item.slot in slots:
                continue
            slots.add(getattr(item, "slot", ""))
            out += [*([""] if out else []), *getattr(self, f"_about_{kind.replace(' ', '_')}")(item)]
        return out

    def _unknown(self, name: str) -> None:
        from tme_sim.diagnostics import InputError, Problem, near, quoted

        hits = near(name, (*self.items, *self.drugs), limit=5)
        if not hits and ("." in name or "/" in name):
            raise InputError(Problem(name, "", "is no file, and no name of the network; give a scenario or a name"))
        told = self._told_by(name)
        tail = f"; near it are {', '.join(hits)}" if hits else "" if told else "; tme-sim describe lists the mechanisms"
        tail += f"; the words stand in the description of {', '.join(told)}" if told else ""
        raise InputError(Problem("", "", f"{quoted(name)} is no name of the network{tail}"))

    def _told_by(self, words: str) -> list[str]:
        """Names in whose description `words` stand: at most three states, three signals, three arrows, three others."""
        if len(words) < 3:
            return []
        found: dict[str, list[str]] = {"species": [], "signal": [], "arrow": [], "": []}
        for name, ((kind, item), *_) in self.items.items():
            told = str(getattr(item, "label", "") or getattr(item, "note", ""))
            if words.lower() in told.lower() and not name.startswith("gain_"):
                found[kind if kind in found else ""].append(name)
        return [name for names in found.values() for name in names[:3]]

    def _about_mechanism(self, m: Mechanism) -> list[str]:
        out = title(f"{m.name}, a mechanism")
        for paragraph in ROLE.sub(r"\1", m.text).strip().split("\n\n"):
            out += [*wrapped(paragraph), ""]
        out += wrapped(f"File: {self.file_of(m)}")
        for head, items, tell in (
            ("States", m.species, self._species_line), ("Inputs that events change", m.held, self._held_line),
            ("Processes", m.processes, self._process_lines), ("Arrows", m.modulations, self._arrow_lines),
            ("Signals", (*m.signals, *m.totals), self._signal_lines),
            ("Solved before treatment", (*m.balances, *m.references), self._solved_lines),
            ("Parameters", (*m.parameters, *m.lesion_parameters), self._parameter_lines),
        ):  # fmt: skip
            if items:
                out += ["", head, "-" * len(head), *(line for item in items for line in tell(item))]
        for h in m.hypotheses:
            out += ["", *self._hypothesis_lines(h)]
        reads, read_by = self._links(m)
        out += ["", "Links", "-----"]
        for word, links, none in (("Reads", reads, "Reads no other mechanism."),
                                  ("Read by", read_by, "No other mechanism reads it.")):  # fmt: skip
            for other, names in links.items():
                out += wrapped(", ".join(names), f"{word} {other}: ", "    ")
            if not links:
                out += wrapped(none)
        return [*out, "", "Units", "-----", *self.units(m)]

    def _links(self, m: Mechanism) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Names that a mechanism reads of others, and that others read of it, by the other's name."""
        reads: dict[str, dict[str, None]] = {}
        read_by: dict[str, dict[str, None]] = {}
        for name, readers in self.readers.items():
            owner = self.owners.get(name) or self.owners.get(name.removeprefix("rate_").removesuffix("_start"))
            for other in dict.fromkeys(self.owners.get(reader.rsplit(" ", 1)[-1]) for reader in readers):
                if owner and other and owner != other:
                    if other == m.name:
                        reads.setdefault(owner, {})[name] = None
                    elif owner == m.name:
                        read_by.setdefault(other, {})[name] = None
        return {k: list(v) for k, v in reads.items()}, {k: list(v) for k, v in read_by.items()}

    def owner(self, name: str) -> str:
        """The mechanism that declares a name."""
        return self.owners[name]

    def _owners(self) -> dict[str, str]:
        """Name -> the mechanism that declares it; `oxygen` belongs to whoever gives its classes."""
        network = self.network
        owners = {}
        for m in network.mechanisms:
            named = (*m.parameters, *m.lesion_parameters, *m.species, *m.held, *m.signals, *m.totals, *m.processes,
                     *m.modulations, *m.references)  # fmt: skip
            owners |= {i.name: m.name for i in named} | {b.parameter: m.name for b in m.balances}
            owners |= {gain_of(a).name: m.name for a in m.modulations}
            owners |= {f"{s.name}_{i}": m.name for s in m.signals for i in range(s.parts)}
        if f"{OXYGEN}_share_0" in owners:
            owners[OXYGEN] = owners[f"{OXYGEN}_share_0"]
        return owners

    def file_of(self, m: Mechanism) -> str:
        """The file that declares a mechanism, as far as its laws tell."""
        laws = [i.law for i in (*m.processes, *m.signals, *m.totals, *m.modulations)]
        laws += [s.initial for s in m.species if callable(s.initial)]
        laws += [r.signal for r in m.references if callable(r.signal)]
        files = [f for f in (inspect.getsourcefile(law) for law in laws) if f]
        named = [f for f in files if Path(f).stem == m.name]
        if not files:
            return "unknown, it holds no law"
        chosen = Path(named[0] if named else max(dict.fromkeys(files), key=files.count))
        parts = chosen.parts
        return "/".join(parts[len(parts) - 1 - parts[::-1].index("tme_sim") :]) if "tme_sim" in parts else str(chosen)

    def _file_of_name(self, name: str) -> str:
        owner = self.owners[name]
        return self.file_of(next(m for m in self.network.mechanisms if m.name == owner))

    # -- parameters --------------------------------------------------------------------------------------------------

    def _parameter_lines(self, p: Parameter) -> list[str]:
        unit = "" if p.unit == "1" else f" {p.unit}"
        out = wrapped(f"{p.name} = {p.value:g}{unit}  [{p.low:g} to {p.high:g}]  {p.grade}", "", "    ")
        said = p.note or p.label
        return out + wrapped(f"{said}. Source: {p.source}" if said else f"Source: {p.source}", "    ", "    ")

    def _about_parameter(self, p: Parameter) -> list[str]:
        lesion = any(p.name == q.name for q in self.network.parameters("lesion"))
        unit = "" if p.unit == "1" else f" {p.unit}"
        lowest, highest = p.physical
        out = title(f"{p.name}, a parameter" + (" of each lesion" if lesion else ""))
        out += wrapped(p.note or p.label) if p.note or p.label else []
        out += wrapped(f"{p.value:g}{unit}", "Value       ")
        out += wrapped(f"{p.low:g} to {p.high:g}{unit}", "Evidence    ")
        out += wrapped(f"{lowest:g} to {highest:g}{unit}", "Possible    ")
        out += wrapped(p.grade, "Grade       ")
        out += wrapped(p.source, "Source      ")
        out += wrapped(self.owner(p.name), "Mechanism   ")
        if p.name.startswith("gain_"):
            out += wrapped(f"[biology.gains] {p.name[5:]} = 0.5 in a scenario", "To change   ")
        else:
            where = "[[patient.lesion]]" if lesion else "[parameters]"
            out += wrapped(
                f'{where} {p.name} = "{p.value:g}{unit}" in a scenario; for good in {self._file_of_name(p.name)}',
                "To change   ",
            )
        return out + self._readers_of(p.name)

    def _about_number(self, p: Parameter) -> list[str]:
        unit = "" if p.unit == "1" else f" {p.unit}"
        out = [*title(f"{p.name}, a number of embolisation"), *(wrapped(p.note) if p.note else [])]
        for word, told in (("Value", f"{p.value:g}{unit}"), ("Evidence", f"{p.low:g} to {p.high:g}{unit}"),
                           ("Grade", p.grade), ("Source", p.source)):  # fmt: skip
            out += wrapped(told, f"{word:<12}")
        how = f"{p.value:g}" if p.unit == "1" else f'"{p.value:g} {p.unit}"'
        return out + wrapped(f"[parameters] {p.name} = {how} in a scenario; for good in tme_sim/therapies/session.py",
                             "To change   ")  # fmt: skip

    def _readers_of(self, name: str) -> list[str]:
        readers = self.read_by(name)
        out = wrapped(", ".join(readers) if readers else "nothing", "Read by     ")
        laws = [pair for r in readers for pair in [self._law(r)] if pair]
        return out + [line for what, law in laws for line in wrapped(law, f"  {what}: ", "      ")]

    def _law(self, reader: str) -> tuple[str, str] | None:
        kind, _, name = reader.rpartition(" ")
        found = {"process": self.network.processes, "signal": self.network.signals, "total": self.network.totals,
                 "arrow": self.network.modulations}.get(kind)  # fmt: skip
        item = next((i for i in found or () if i.name == name), None)
        return (name, law_text(item.law, item.bind)) if item else None

    # -- the other kinds ---------------------------------------------------------------------------------------------

    def _species_line(self, s: Species) -> list[str]:
        start = start_text(s.initial, s.unit)
        return wrapped(f"{s.name} [{s.unit}], {s.where}: {s.label}; untreated {start}", "", "    ")

    def _about_species(self, s: Species) -> list[str]:
        out = title(f"{s.name}, a state of the {s.where}") + wrapped(s.label)
        out += wrapped(s.unit, "Unit        ")
        out += wrapped(start_text(s.initial, s.unit), "Untreated   ")
        out += wrapped(self.owner(s.name), "Mechanism   ")
        out += wrapped(s.ontology, "Ontology    ") if s.ontology else []
        moved = [(p, a) for p in self.network.processes for a in self._amounts(p, s.name)]
        out += wrapped("" if moved else "nothing", "Changed by  ")
        for p, amount in moved:
            sign = "-" if amount.startswith("-") else "+"
            size = amount.lstrip("-")
            factor = "" if size == "1" else f"{size} * "
            out += wrapped(f"{sign} {factor}{self.rate_text(p)}", f"  {p.name}, {p.label}: ", "      ")
        return out + self._readers_of(s.name)

    def _amounts(self, p: Process, species: str) -> list[str]:
        gain = "1" if p.kind in ("division", "arrival", "secretion") else "-1"
        pairs = [(p.of, gain), *((t, a if isinstance(a, str) else f"{a:g}") for t, a in p.into)]
        return [a for t, a in pairs if t == species]

    def rate_text(self, p: Process) -> str:
        """Mean-field rate of a process in plain text."""
        factors = [*actors_of(p), *(f"[{m.name}]" for m in self.network.modulations if p.name in m.targets)]
        law = law_text(p.law, p.bind)
        return " * ".join([f"({law})" if factors and is_sum(p.law, p.bind) else law, *factors])

    def _held_line(self, h: Held) -> list[str]:
        return wrapped(f"{h.name} [{h.unit}], {h.where}: {h.label}", "", "    ")

    def _about_input(self, h: Held) -> list[str]:
        out = title(f"{h.name}, an input of the {h.where} that only events change") + wrapped(h.label)
        out += wrapped(h.unit, "Unit        ") + wrapped(self.owner(h.name), "Mechanism   ")
        return out + self._readers_of(h.name)

    def _process_lines(self, p: Process) -> list[str]:
        into = ", ".join(f"{t} x {a}" if a != 1.0 else t for t, a in p.into)
        moves = f"{p.of}" + (f" -> {into}" if into else "") + (f", by {p.by}" if p.by else "")
        out = wrapped(f"{p.name} ({p.kind} of {moves}): {p.label}", "", "    ")
        return out + wrapped(f"rate = {self.rate_text(p)}", "    ", "        ")

    def _about_process(self, p: Process) -> list[str]:
        out = title(f"{p.name}, a process ({p.kind}) of the {p.where}") + wrapped(p.label)
        out += wrapped(self.owner(p.name), "Mechanism   ")
        out += self._process_lines(p)[-len(wrapped(f"rate = {self.rate_text(p)}", "    ", "        ")) :]
        out += wrapped(doc_line(p.law), "Law         ") + wrapped(source_of(p.law), "Written in  ")
        arrows = [m for m in self.network.modulations if p.name in m.targets]
        for m in arrows:
            out += self._arrow_lines(m)
        return out + wrapped(", ".join(dict.fromkeys(arguments(p.law, p.bind).values())) or "nothing", "Reads       ")

    def _arrow_lines(self, m: Modulation) -> list[str]:
        out = wrapped(f"[{m.name}]: {m.label}, on {', '.join(m.targets)}", "", "    ")
        return out + wrapped(f"= 1 + {gain_of(m).name} * (f - 1), f = {law_text(m.law, m.bind)}", "    ", "        ")

    def _about_arrow(self, m: Modulation) -> list[str]:
        out = title(f"{m.name}, an arrow") + self._arrow_lines(m)
        out += wrapped(doc_line(m.law), "Law         ") + wrapped(source_of(m.law), "Written in  ")
        out += wrapped(f"[biology.gains] {m.name} = 0 in a scenario", "To cut it   ")
        return out + wrapped(", ".join(dict.fromkeys(arguments(m.law, m.bind).values())) or "nothing", "Reads       ")

    def _signal_lines(self, s: Signal | Total) -> list[str]:
        summed = "sum over lesions of " if isinstance(s, Total) else ""
        out = wrapped(f"{s.name} [{s.unit}]: {s.label}", "", "    ")
        return out + wrapped(f"= {summed}{law_text(s.law, s.bind)}", "    ", "        ")

    def _about_signal(self, s: Signal | Total) -> list[str]:
        kind = "sum over lesions" if isinstance(s, Total) else f"signal of the {s.where}"
        out = title(f"{s.name}, a {kind}") + self._signal_lines(s)
        out += wrapped(self.owner(s.name), "Mechanism   ")
        out += wrapped(doc_line(s.law), "Law         ") + wrapped(source_of(s.law), "Written in  ")
        parts = [f"{s.name}_{i}" for i in range(getattr(s, "parts", 0))]
        out += wrapped(", ".join(dict.fromkeys(arguments(s.law, s.bind).values())) or "nothing", "Reads       ")
        return out + [line for n in (s.name, *parts) if self.read_by(n) or not parts for line in self._readers_of(n)]

    _about_total = _about_signal

    def _solved_lines(self, item: Balance | Reference) -> list[str]:
        if isinstance(item, Balance):
            change = f"grows at {item.grows}" if item.grows else "rests"
            solved = f"solved so that {item.species} {change} untreated"
            return wrapped(f"{item.parameter} [{item.unit}]: {item.label}; {solved}", "", "    ")
        out = wrapped(f"{item.name} [{item.unit}]: {item.label or 'a value'}, taken untreated", "", "    ")
        text = law_text(item.signal, {}) if callable(item.signal) else item.signal
        return out + wrapped(f"= {text}", "    ", "        ")

    def _about_solved_parameter(self, b: Balance) -> list[str]:
        out = title(f"{b.parameter}, a parameter solved from the untreated baseline") + self._solved_lines(b)
        out += wrapped(self.owner(b.parameter), "Mechanism   ")
        return out + self._readers_of(b.parameter)

    def _about_reference(self, r: Reference) -> list[str]:
        out = title(f"{r.name}, a value of the untreated baseline") + self._solved_lines(r)
        return out + wrapped(self.owner(r.name), "Mechanism   ") + self._readers_of(r.name)

    def _hypothesis_lines(self, h: Hypothesis) -> list[str]:
        now = " (chosen)" if self.network.choices.get(h.slot) == h.choice else ""
        out = wrapped(f"Hypothesis {h.slot} = {h.choice}{now}: {h.label}. Source: {h.source}", "", "    ")
        for name, law in h.laws.items():
            bind = next((i.bind for i in self._with_law() if i.name == name), {})
            out += wrapped(f"law of {name}: {law_text(law, bind)}", "    ", "        ")
        added = () if h.adds is None else h.adds.parameters
        for p in (*(replace(p, name=name) for name, p in h.values.items()), *added):
            out += wrapped(f"{p.name} = {p.value:g} {p.unit}, {p.grade}. Source: {p.source}", "    ", "        ")
        for item in () if h.adds is None else (*h.adds.species, *h.adds.processes, *h.adds.modulations):
            out += wrapped(f"adds {item.name}: {item.label}", "    ", "        ")
        return out

    def _with_law(self) -> list:
        return [*self.network.processes, *self.network.signals, *self.network.modulations]

    def _about_hypothesis(self, h: Hypothesis) -> list[str]:
        slots = [x for m in self.network.mechanisms for x in m.hypotheses if x.slot == h.slot]
        chosen = self.network.choices.get(h.slot, "default")
        out = title(f"{h.slot}, registered alternatives")
        out += wrapped(f"Now: {chosen}. Default: as the mechanism is written.")
        out += wrapped(f'[biology.hypotheses] "{h.slot}" = "{h.choice}" in a scenario', "To choose   ")
        return out + [line for x in slots for line in self._hypothesis_lines(x)]
