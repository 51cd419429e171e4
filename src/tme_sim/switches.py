"""What a scenario asks of mechanisms that it has switched off: told before a run, instead of failing inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tme_sim.catalogue import Catalogue
from tme_sim.diagnostics import quoted
from tme_sim.network import Mechanism, NetworkError, compose
from tme_sim.protocol.calendar import Calendar
from tme_sim.validation import Problems

__all__ = ["check_switched_off", "idle_values"]

NEEDED_BY = {"drug": "kinetics", "tace": "tace"}
"""Kind of a treatment -> the mechanism whose states its doses and sessions change."""


def check_switched_off(
    off: Sequence[str], hypotheses: Mapping[str, str], calendar: Calendar, catalogue: Catalogue, problems: Problems
) -> None:
    """Note treatments and hypotheses that belong to mechanisms in `off`, and mechanisms that the others cannot miss."""
    gone = {m.name: m for m in catalogue.sources if m.name in set(off)}
    given = [*calendar.all, *(t.given[0] for t in calendar.tracks if t.given)]
    for kind, mechanism in NEEDED_BY.items():
        treated = sorted({e.treatment for e in given if e.kind == kind})
        if mechanism in gone and treated:
            problems.add(("biology", "off"), (
                f"{quoted(mechanism)} cannot be off while the protocol gives {', '.join(map(quoted, treated))}; switch "
                "it on, or leave these treatments out"))
    for name, mechanism in gone.items():
        for slot in sorted({h.slot for h in mechanism.hypotheses} & set(hypotheses)):
            if hypotheses[slot] != "default":
                problems.add(("biology", "hypotheses", slot), (
                    f"belongs to {quoted(name)}, which is switched off; leave one of the two out"))
    for name in gone:
        if missed := _missed(name, catalogue.sources):
            problems.add(("biology", "off"), f"{quoted(name)} cannot be off, as others stand on it: {missed}")


def idle_values(off: Sequence[str], scenario: Any, catalogue: Catalogue) -> list[str]:
    """Warnings for values and arrows of a scenario that change nothing, as their mechanism is in `off`."""
    out = []
    for m in catalogue.sources:
        if m.name in set(off):
            parameters = {p.name for p in (*m.parameters, *m.lesion_parameters)} & set(scenario.parameters)
            arrows = {a.name for a in m.modulations} & set(scenario.biology.gains)
            kept = {s.name for s in (*m.species, *m.signals, *m.totals)} & set(scenario.outputs.states)
            keys = [f"parameters.{n}" for n in sorted(parameters)] + [f"biology.gains.{n}" for n in sorted(arrows)]
            out += [f"{key}: changes nothing, as {quoted(m.name)} is switched off" for key in keys]
            out += [f"outputs.states: {quoted(n)} is not there, as {quoted(m.name)} is switched off" for n in
                    sorted(kept)]  # fmt: skip
    return out


def _missed(name: str, mechanisms: Sequence[Mechanism]) -> str:
    """Why the other mechanisms cannot do without this one; "" if they can."""
    try:
        compose(mechanisms, off=(name,))
    except NetworkError as error:
        lines = str(error).split("\n")
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        return lines[0].partition(", did you mean")[0] + more
    return ""
