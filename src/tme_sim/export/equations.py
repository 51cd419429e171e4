"""The model as a document: Markdown with LaTeX, one chapter per mechanism, generated from the laws themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tme_sim.describe.network import ROLE
from tme_sim.export.notation import expression, latex, symbol
from tme_sim.export.parameters import number
from tme_sim.export.source import Source
from tme_sim.network import OXYGEN, Mechanism, Network, Process, actors_of, gain_of
from tme_sim.quantities import Parameter, pretty, to_display

KIND_WORDS = {
    "division": "hazard per actor; each event adds one",
    "death": "hazard per actor; each event takes one",
    "transition": "hazard per actor; each event moves one",
    "decay": "first-order loss",
    "arrival": "amount per day",
    "secretion": "amount per actor and day",
    "uptake": "amount per actor and day",
    "exchange": "flow, signed",
    "contact": "hazard per touching pair; the contact volume turns densities into touching pairs",
}


def equations_document(network: Network, source: Source | None = None) -> str:
    """Markdown of all mechanisms of a network; with a source, parameter tables show the values of that patient."""
    return _Book(network, source).text()


def mechanism_pages(network: Network) -> dict[str, str]:
    """Markdown of each mechanism of a network on a page of its own, by name."""
    book = _Book(network, None)
    chapters = {m.name: "\n".join(book.chapter(m)).rstrip() + "\n" for m in network.mechanisms}
    return {name: text.replace("\n### ", "\n## ")[1:] for name, text in chapters.items()}


class _Book:
    def __init__(self, network: Network, source: Source | None):
        self.network, self.source = network, source
        self.symbols = {p.name: p.symbol for p in network.parameters() if p.symbol}
        self.symbols |= {OXYGEN: r"p_{\mathrm{O_2}}"}
        self.arrows: dict[str, list[str]] = {}
        for m in network.modulations:
            for target in m.targets:
                self.arrows.setdefault(target, []).append(m.name)

    def latex(self, expr) -> str:
        """An expression with the symbols of this network."""
        return latex(expr, self.symbols)

    def symbol(self, name: str) -> str:
        """A name as its symbol."""
        return symbol(name, self.symbols.get(name, ""))

    def text(self) -> str:
        """The whole page."""
        title = self.source.title if self.source else "tme_sim"
        names = ", ".join(f"[{m.name}](#{m.name})" for m in self.network.mechanisms)
        head = [
            f"# Equations of {line(title)}",
            "",
            f"Mechanisms: {names}.",
            "",
            "Time is in days. Inside, all quantities are in day, mm, mg, nmol, mmHg and cell, so that no equation "
            "holds a conversion factor; tables show the unit in which people read a quantity. "
            "Lesion quantities exist once per lesion, and change only while it is there.",
            "",
            r"$r$ is the rate of a process. $M$ is an arrow: the factor $M = 1 + g\,(f - 1)$ with its own law $f$ "
            "and its gain $g$, 1 as published and 0 when the arrow is cut. "
            rf"A law that holds ${self.symbols[OXYGEN]}$ is averaged over the oxygen classes of viable tissue, "
            "together with those of its arrows that hold it too. Powers of a negative base count as 0. "
            r"$X_{\mathrm{start}}$ is the value of $X$ in the untreated patient.",
            "",
        ]
        if self.network.choices:
            chosen = ", ".join(f"`{slot}` = `{choice}`" for slot, choice in sorted(self.network.choices.items()))
            head += [f"Hypotheses chosen: {chosen}.", ""]
        return "\n".join([*head, *(x for m in self.network.mechanisms for x in self.chapter(m))]).rstrip() + "\n"

    def chapter(self, m: Mechanism) -> list[str]:
        """One mechanism: its words, then what it declares."""
        out = [f"## {m.name}", "", *[p.rstrip() for p in prose(m.text).splitlines()], ""]
        sections = (
            ("States", self.states(m)), ("Inputs that events change", self.held(m)), ("Processes", self.processes(m)),
            ("Arrows", self.modulations(m)), ("Signals", self.signals(m)), ("Solved before treatment", self.solved(m)),
            ("Hypotheses", self.hypotheses(m)), ("Parameters", self.parameters(m)),
        )  # fmt: skip
        for title, lines in sections:
            if lines:
                out += [f"### {title} of {m.name}", "", *lines, ""]
        return out

    def states(self, m: Mechanism) -> list[str]:
        """States with start values, and their equations."""
        rows = []
        equations = []
        for s in m.species:
            start = self.start(s)
            rows.append((f"${self.symbol(s.name)}$", f"`{s.name}`", s.label, s.where, s.unit, start, s.ontology))
            equations += ["$$", rf"\frac{{d\,{self.symbol(s.name)}}}{{dt}} = {self.change(s.name)}", "$$", ""]
        if not rows:
            return []
        head = ("symbol", "name", "meaning", "where", "unit", "untreated value", "ontology")
        return [*table(head, rows), "", *equations[:-1]]

    def start(self, s) -> str:
        """Where a state begins."""
        if callable(s.initial):
            return f"${self.latex(expression(s.initial, {}))}$"
        if isinstance(s.initial, str):
            return f"${self.symbol(s.initial)}$"
        return number(s.initial)

    def change(self, species: str) -> str:
        """Sum of the processes that move a species, in LaTeX."""
        where = next(s.where for s in self.network.species if s.name == species)
        terms = ""
        for process in self.network.processes:
            gain = 1.0 if process.kind in ("division", "arrival", "secretion") else -1.0
            for target, amount in ((process.of, gain), *process.into):
                if target == species:
                    rate = self.symbol(f"rate_{process.name}")
                    if where == "body" and process.where == "lesion":
                        rate = rf"\textstyle\sum_{{\mathrm{{lesions}}}} {rate}"
                    sign = "-" if not isinstance(amount, str) and amount < 0 else "+"
                    size = self.symbol(amount) if isinstance(amount, str) else number(abs(amount))
                    factor = "" if size == "1" else rf"{size}\,"
                    terms += f" {sign} {factor}{rate}"
        return terms.removeprefix(" + ").strip() or "0"

    def held(self, m: Mechanism) -> list[str]:
        """Inputs that events change."""
        rows = [(f"${self.symbol(h.name)}$", f"`{h.name}`", h.label, h.where, h.unit) for h in m.held]
        return table(("symbol", "name", "meaning", "where", "unit"), rows) if rows else []

    def processes(self, m: Mechanism) -> list[str]:
        """Processes with their rates."""
        out = []
        for p in m.processes:
            what = f"{p.kind}: {KIND_WORDS[p.kind]}{self.moves(p)}"
            out += [f"**{line(p.label)}** (`{p.name}`, {what}). {doc(p.law)}", ""]
            out += ["$$", f"{self.symbol('rate_' + p.name)} = {self.rate(p)}", "$$", ""]
        return out[:-1]

    def moves(self, p: Process) -> str:
        """What a process takes from and gives to."""
        into = ", ".join(f"`{t}`" + ("" if a == 1.0 else f" times {a}") for t, a in p.into)
        by = f"; by `{p.by}`" if p.by else ""
        return f"; of `{p.of}`{by}" + (f", into {into}" if into else "")

    def rate(self, p: Process) -> str:
        """Rate of a process: its law times its actors and arrows."""
        law = self.latex(expression(p.law, p.bind))
        factors = [self.symbol(name) for name in actors_of(p)]
        arrows = [arrow_symbol(name) for name in self.arrows.get(p.name, [])]
        if not factors and not arrows:
            return law
        return r" \cdot ".join([rf"\left({law}\right)" if _is_sum(law) else law, *factors, *arrows])

    def modulations(self, m: Mechanism) -> list[str]:
        """Arrows with their laws."""
        out = []
        for a in m.modulations:
            gain = self.symbol(gain_of(a).name)
            targets = ", ".join(f"`{t}`" for t in a.targets)
            law = self.latex(expression(a.law, a.bind))
            out += [f"**{line(a.label)}** (`{a.name}`), on {targets}. {doc(a.law)}", ""]
            out += ["$$", rf"{arrow_symbol(a.name)} = 1 + {gain}\,(f - 1), \quad f = {law}", "$$", ""]
        return out[:-1]

    def signals(self, m: Mechanism) -> list[str]:
        """Signals and totals with their laws."""
        out = []
        for s in (*m.signals, *m.totals):
            result = expression(s.law, s.bind)
            unit = f", {pretty(s.unit)}" if pretty(s.unit) else ""
            out += [f"**{line(s.label)}** (`{s.name}`{unit}). {doc(s.law)}", ""]
            if isinstance(result, tuple):
                for i, part in enumerate(result):
                    out += ["$$", f"{self.symbol(f'{s.name}_{i}')} = {self.latex(part)}", "$$", ""]
            else:
                summed = r"\sum_{\mathrm{lesions}} " if s in m.totals else ""
                body = self.latex(result)
                body = rf"\left({body}\right)" if summed and _is_sum(body) else body
                out += ["$$", f"{self.symbol(s.name)} = {summed}{body}", "$$", ""]
        return out[:-1]

    def solved(self, m: Mechanism) -> list[str]:
        """What the untreated baseline solves."""
        out = []
        for b in m.balances:
            right = rf"{self.symbol(b.grows)}\,{self.symbol(b.species)}" if b.grows else "0"
            out += [f"**{line(b.label)}** (`{b.parameter}`, {b.unit}) is the value for which, untreated,", ""]
            out += ["$$", rf"\frac{{d\,{self.symbol(b.species)}}}{{dt}} = {right}", "$$", ""]
        for r in m.references:
            value = self.latex(expression(r.signal, {})) if callable(r.signal) else self.symbol(r.signal)
            said = doc(r.signal) if callable(r.signal) else ""
            out += [f"**{line(r.label or r.name)}** (`{r.name}`, {r.unit}), taken untreated. {said}".rstrip(), ""]
            out += ["$$", f"{self.symbol(r.name)} = {value}", "$$", ""]
        return out[:-1]

    def hypotheses(self, m: Mechanism) -> list[str]:
        """Registered alternatives."""
        rows = []
        for h in m.hypotheses:
            added = () if h.adds is None else h.adds.parameters
            values = (f"`{n}` = {v.value:g}" for n, v in (*h.values.items(), *((p.name, p) for p in added)))
            changed = ", ".join([*(f"law of `{n}`" for n in h.laws), *values])
            rows.append((f"`{h.slot}`", f"`{h.choice}`", h.label, changed, h.source))
        return table(("slot", "choice", "meaning", "changes", "source"), rows) if rows else []

    def parameters(self, m: Mechanism) -> list[str]:
        """Parameters as a table."""
        rows = [self.parameter(p) for p in (*m.parameters, *m.lesion_parameters)]
        head = ("symbol", "name", "value", "unit", "range", "grade", "meaning", "source")
        return table(head, rows) if rows else []

    def parameter(self, p: Parameter) -> tuple[str, ...]:
        """One row of that table."""
        value = number(p.value)
        if self.source is not None:
            p = self.source.resolved.get(p.name, p)
            internal = self.source.value(p.name)
            value = number(p.value if internal == p.internal else to_display(internal, p.unit))
        spread = f"{p.low:g} to {p.high:g}"
        return (f"${self.symbol(p.name)}$", f"`{p.name}`", value, p.unit, spread, p.grade, p.note or p.label, p.source)


def arrow_symbol(name: str) -> str:
    """LaTeX of the factor of an arrow."""
    return rf"M_{{\mathrm{{{symbol_text(name)}}}}}"


def symbol_text(name: str) -> str:
    """Words of a name as LaTeX text."""
    return name.replace("_", r"\,")


def _is_sum(text: str) -> bool:
    """Whether LaTeX text has a plus or minus outside all braces and brackets."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c in "{(") - (c in "})")
        if depth == 0 and i and c in "+-":
            return True
    return False


def prose(text: str) -> str:
    """The text of a mechanism as Markdown: roles of its docstring as code, the word that opens a paragraph in bold."""
    text = ROLE.sub(r"`\1`", text.strip())
    return re.sub(r"^(Biology|Simplified|Not included|Use)\. +", r"**\1.** ", text, flags=re.MULTILINE)


def doc(law) -> str:
    """First paragraph of a law's docstring in one line; nothing for an unnamed function."""
    text = (law.__doc__ or "").strip().split("\n\n")[0]
    return "`".join(line(part) if i % 2 == 0 else part for i, part in enumerate(" ".join(text.split()).split("`")))


def line(text: str) -> str:
    """Text in one line, with the characters that Markdown would read as markup escaped."""
    return re.sub(r"([\\`*_<>])", r"\\\1", re.sub(r"\s+", " ", text))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table; cells that hold code or mathematics are left as they are."""

    def shown(cell: str) -> str:
        """The text of a cell, escaped unless it holds code or mathematics."""
        text = " ".join(str(cell).split())
        marked = text.startswith(("$", "`")) or "law of `" in text
        return (text if marked else line(text)).replace("|", r"\|")

    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(shown(c) for c in row) + " |" for row in rows]
