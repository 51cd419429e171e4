"""What an override of a study means to a scenario, and whether it says what holds anyway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tme_sim.diagnostics import Places
from tme_sim.patient import read_parameter
from tme_sim.quantities import Quantity
from tme_sim.validation import Problems, written

if TYPE_CHECKING:
    from tme_sim.quantities import Parameter
    from tme_sim.scenario import Scenario

__all__ = ["Direct", "Standing", "declared", "meaning_of", "settable"]

HYPOTHESES, GAINS = "biology.hypotheses.", "biology.gains."


class Direct(NamedTuple):
    """What an override means that no date depends on: the `kind` of value, its name, its lesion and its declaration."""

    kind: str  # "parameter", "gain", "lesion" or "patient"
    name: str = ""
    lesion: int = -1
    parameter: Parameter | None = None

    def read(self, value: Any) -> Any:
        """The checked value as a scenario holds it; None if something is wrong with it."""
        if self.kind == "patient":
            return value if type(value) is int and 0 <= value < 2**63 else None
        if self.kind == "gain":
            return float(value) if type(value) in (int, float) and 0.0 <= value <= 1.0 else None
        return read_parameter(value, self.parameter, ("parameters", self.name), Problems(Places("")), [])


def meaning_of(base: Scenario, name: str) -> Direct | None:
    """What an override called `name` means; None for one that dates may depend on, or that means nothing here."""
    if name == "patient.number":
        return Direct("patient")
    section, _, key = name.rpartition(".")
    if section == "biology.gains":
        return Direct("gain", key) if key in base.catalogue.arrows else None
    of_lesions = base.catalogue.lesion_parameters
    if section == "parameters":
        known = of_lesions.get(key) or base.catalogue.parameters.get(key) or base.catalogue.session.get(key)
        plain = known is not None and key not in base.patient.parameters and not key.startswith("gain_")
        return Direct("parameter", key, parameter=known) if plain else None
    if section.startswith("parameters."):
        of_drug = f"{section.removeprefix('parameters.')}.{key}"
        known = base.catalogue.of_drug(of_drug)
        return None if known is None else Direct("parameter", of_drug, parameter=known)
    lesion = _lesion(base, section) if key in of_lesions else None
    return None if lesion is None else Direct("lesion", key, lesion, of_lesions[key])


def settable(base: Scenario) -> dict[str, Parameter]:
    """Parameters that a scenario may set, by name, with those of its hypotheses and the numbers of an embolisation."""
    return base.catalogue.settable(base.biology.hypotheses.items())


def declared(base: Scenario, key: str) -> Parameter | None:
    """The declaration of what an override called `key` sets, or None where that is no parameter."""
    section, _, name = key.rpartition(".")
    if section.startswith("parameters."):
        return base.catalogue.of_drug(f"{section.removeprefix('parameters.')}.{name}")
    of_model = section in ("parameters", "patient") or section.startswith("patient.lesion")
    return settable(base).get(name) if of_model else None


def _lesion(base: Scenario, section: str) -> int | None:
    """Place from 0 of the lesion that ``patient.lesion.NAME`` means to an override; None where that is not plain."""
    start = "patient.lesion."
    if not section.startswith(start) or not isinstance(base._raw.get("patient", {}).get("lesion"), list):
        return None
    name = section[len(start) :]
    if name.isdigit():
        return int(name) - 1 if 1 <= int(name) <= len(base.patient.lesion) else None
    names = [one.name.lower() for one in base.patient.lesion]
    return names.index(name.lower()) if name.lower() in names and "." not in name else None


def _may_move(name: str) -> bool:
    """Whether an override may change what holds for a parameter: a hypothesis, or a number of a drug."""
    return name.startswith(HYPOTHESES) or name.rpartition(".")[0].startswith("parameters.")


class Standing:
    """What holds in a scenario that an override may say once more: a default of its parameters, gains or hypotheses."""

    def __init__(self, scenario: Scenario):
        self.scenario = scenario
        self._said: dict[str, Any] = {}

    def idle(self, changes: Mapping[str, Any]) -> set[str]:
        """Those of `changes` that give what holds without them, so that the run is the same one.

        Only next to parameters, gains, hypotheses and the number of a patient: others may move what holds.
        """
        same = {name for name, value in changes.items() if value == self._says(name)}
        if not same or not all(n.startswith(HYPOTHESES) or meaning_of(self.scenario, n) for n in changes):
            return set()
        if any(_may_move(n) and n not in same for n in changes):
            same = {n for n in same if n.startswith((HYPOTHESES, GAINS))}
        last = Counter(name.rpartition(".")[2] for name in changes)
        return {n for n in same if last[n.rpartition(".")[2]] == 1}  # of all lesions and of one, say: which counts?

    def _says(self, name: str) -> Any:
        """What holds for an override called `name` where the scenario says nothing, as an override is written; None
        where it says something, or where that is not plain."""
        if name not in self._said:
            self._said[name] = self._holds(name)
        return self._said[name]

    def _holds(self, name: str) -> Any:
        here = self.scenario
        if here.tissue == "agents":  # asks what was given
            return None
        if name.startswith(HYPOTHESES):
            return None if name.removeprefix(HYPOTHESES).strip("\"'") in here.biology.hypotheses else "default"
        meant = meaning_of(here, name)
        if meant is None or meant.kind == "patient":
            return None
        if meant.kind == "gain":
            return None if meant.name in here.biology.gains else 1.0
        given = dict(here.parameters)
        if meant.kind == "lesion":
            given |= here.patient.lesion[meant.lesion].parameters
        of_foci = here.patient.occult is not None and meant.name in here.catalogue.lesion_parameters
        known = self._declared.get(meant.name)
        return None if meant.name in given or of_foci or known is None else written(Quantity(known.value, known.unit))

    @cached_property
    def _declared(self) -> dict[str, Parameter]:
        """Declarations of all parameters, with those of chosen hypotheses and of the drugs."""
        from tme_sim.network import compose
        from tme_sim.plan import declared_parameters, plan_of

        plan = plan_of(self.scenario)
        return declared_parameters(plan, compose(plan.mechanisms, off=plan.off, hypotheses=plan.hypotheses))
