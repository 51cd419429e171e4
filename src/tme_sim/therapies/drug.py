"""What a drug of the library is: its kinetics for a patient, its doses and the published figures it must meet.

Every number is in internal units (day, mm, mg, nmol) unless it is a :class:`~tme_sim.quantities.Parameter`, which keeps
the unit it was written in.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tme_sim.quantities import Parameter, parse_number_or_quantity
from tme_sim.therapies import drug_file as rules
from tme_sim.therapies.drug_file import nearest

__all__ = ["Band", "CovariateEffect", "Depot", "Dose", "Drug", "Kinetics", "Published", "Regimen"]


@dataclass(frozen=True)
class Kinetics:
    """Numbers of one patient for one kinetic slot, all in internal units (day, mm, mg).

    Flows CL, Q1, Q2 [mm^3/day], volumes V1, V2, V3 [mm^3], Vmax [mg/day], Km [mg/mm^3], ka [1/day].  A dose of the drug
    enters as ``F * moiety_share`` of its mass: the share ``1 - zero_order_share`` at once into the depot (oral) or the
    central compartment, the rest at a constant rate over `zero_order_duration` [day] into the depot or the central
    compartment (`zero_order_into_central`).  Compartments that the drug lacks have Q = 0 and V = 1.
    """

    CL: float
    V1: float
    Q1: float = 0.0
    V2: float = 1.0
    Q2: float = 0.0
    V3: float = 1.0
    Vmax: float = 0.0
    Km: float = 1.0
    ka: float = 0.0
    F: float = 1.0
    moiety_share: float = 1.0
    zero_order_duration: float = 0.0
    zero_order_share: float = 0.0
    zero_order_into_central: bool = False
    Emax: float = 0.0
    T50: float = 1.0
    hill: float = 1.0

    def clearance(self, time: float) -> float:
        """Linear clearance [mm^3/day] at `time` [day] since the first dose; `math.inf` gives the final one."""
        if time <= 0.0 or self.Emax == 0.0:
            return self.CL
        share = 1.0 if math.isinf(time) else 1.0 / (1.0 + (self.T50 / time) ** self.hill)
        return self.CL * math.exp(self.Emax * share)


@dataclass(frozen=True)
class CovariateEffect:
    """One effect of a patient's covariate on disposition values.

    `form` is ``power`` ((x/reference)^size), ``factor`` (times size at `level`), ``factor_above`` and ``factor_below``
    (times size beyond `reference`) or ``shift`` (plus size at `level`).  `reference` and `covered`, the range that the
    source saw, are in internal units.
    """

    on: tuple[str, ...]
    covariate: str
    form: str
    size: Parameter
    reference: float | None = None
    level: str | None = None
    covered: tuple[float, float] | None = None

    def apply(self, value: float, covariate: float | str) -> float:
        """Return `value` as changed by the covariate (a level, or a number in internal units)."""
        size = self.size.value
        if self.form in ("factor", "shift"):
            if covariate != self.level:
                return value
            return value * size if self.form == "factor" else value + size
        if self.form == "power":
            return value * (covariate / self.reference) ** size
        beyond = covariate > self.reference if self.form == "factor_above" else covariate < self.reference
        return value * size if beyond else value


@dataclass(frozen=True)
class Dose:
    """An amount [mg], per kg or m^2 when `basis` is ``weight`` or ``surface``, and its interval [day]."""

    amount: float
    basis: str
    interval: float

    def milligrams(self, weight: float | None = None, surface: float | None = None) -> float:
        """Return the dose in mg for a body weight [mg] and surface [mm^2]; raises ValueError without the one needed."""
        if self.basis == "fixed":
            return self.amount
        size = weight if self.basis == "weight" else surface
        if size is None:
            raise ValueError(f"this dose is per {self.basis} and needs the patient's body {self.basis}")
        return self.amount * size / 1e6  # 1e6 mg in a kilogram, 1e6 mm^2 in a square metre


@dataclass(frozen=True)
class Band:
    """Starting dose and reduction steps for a body weight in [`weight_from`, `weight_to`) [mg]."""

    weight_from: float
    weight_to: float
    start: Dose
    reduced: tuple[Dose, ...] = ()


@dataclass(frozen=True)
class Regimen:
    """A standard regimen: bands by weight, infusion time [day] (0 for oral), route, at most `max_doses` doses."""

    name: str
    bands: tuple[Band, ...]
    infusion: float
    route: str
    source: str
    grade: str
    max_doses: int | None = None
    note: str = ""

    def band(self, weight: float) -> Band:
        """Return the band of a body weight [mg]; raises ValueError for a weight that is not positive."""
        for band in self.bands:
            if band.weight_from <= weight < band.weight_to:
                return band
        raise ValueError(f"no dose of '{self.name}' for a body weight of {weight / 1e6:g} kg; give a positive weight")


@dataclass(frozen=True)
class Depot:
    """Release of a drug from a carrier: `values` holds burst_share, burst_half_time, slow_half_time."""

    name: str
    values: Mapping[str, Parameter]


@dataclass(frozen=True)
class Published:
    """A published figure that the kinetics must meet within the relative `tolerance`; times [day], amounts [mg]."""

    quantity: str
    value: Parameter
    tolerance: float
    dose: Dose | None = None
    doses: int = 1
    infusion: float = 0.0
    at: str = "start"
    phase: int | None = None
    window: tuple[float, float] | None = None
    statistic: str = "typical"
    relative_bioavailability: float | None = None
    conditions: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drug:
    """One drug of the library, as read from `path`."""

    name: str
    aliases: tuple[str, ...]
    role: str
    kind: str
    target: str
    summary: str
    molar_mass: Parameter
    route: str
    compartments: int
    disposition: Mapping[str, Parameter]
    zero_order_into: str
    covariates: tuple[CovariateEffect, ...]
    variability: Mapping[str, Parameter]
    binding: Mapping[str, Parameter]
    kinases: Mapping[str, Parameter]
    effect: Mapping[str, Parameter]
    regional: Mapping[str, Parameter]
    depots: tuple[Depot, ...]
    dosing: tuple[Regimen, ...]
    published: tuple[Published, ...]
    path: Path
    formula: str | None = None
    place: str = ""

    @property
    def slot(self) -> str:
        """Name of the kinetic slot that this drug occupies: its own place, or the first of its role."""
        return self.place or rules.SLOTS[self.role]

    @property
    def usual_route(self) -> str:
        """Route of a dose when none is asked for: ``intravenous``, ``oral`` or ``hepatic_artery``."""
        return {"intra_arterial": "hepatic_artery"}.get(self.route, self.route)

    @property
    def routes(self) -> tuple[str, ...]:
        """Routes that a dose can take, the usual one first: by mouth needs absorption, the artery a slot for it."""
        more = ["intravenous"] + (["hepatic_artery"] if self.role == "cytotoxic" else [])
        return tuple(dict.fromkeys((self.usual_route, *more)))

    def in_place(self, taken: Collection[str]) -> Drug:
        """This drug in the first slot of its role that is not taken; in the last one when all are."""
        places = rules.PLACES[self.role]
        free = [slot for slot in places if slot not in taken]
        return replace(self, place=(free or places[-1:])[0])

    def parameters(self) -> list[Parameter]:
        """Return every graded value of the file, in file order."""
        groups = (self.disposition, self.variability, self.binding, self.kinases, self.effect, self.regional)
        found = [self.molar_mass] + [p for group in groups for p in group.values()]
        found += [effect.size for effect in self.covariates]
        return found + [p for depot in self.depots for p in depot.values.values()]

    def regimen(self, name: str) -> Regimen:
        """Return the standard regimen called `name`; raises KeyError naming the nearest."""
        for regimen in self.dosing:
            if regimen.name == name:
                return regimen
        raise KeyError(f"{self.name} has no regimen '{name}'; {nearest(name, (r.name for r in self.dosing))}")

    def patient(self, covariates: Mapping[str, float | str]) -> dict[str, float | str]:
        """Return covariates with quantity strings turned into internal units and levels checked.

        Raises ValueError for a covariate or level that no drug file can use, a wrong unit or a value that is not
        positive.
        """
        checked: dict[str, float | str] = {}
        for name, given in covariates.items():
            if name not in rules.COVARIATES:
                raise ValueError(f"'{name}' is not a covariate of drug kinetics; {nearest(name, rules.COVARIATES)}")
            known = rules.COVARIATES[name]
            if isinstance(known, str):
                number = (
                    float(parse_number_or_quantity(given, known, name).internal)
                    if isinstance(given, str)
                    else float(given)
                )
                if not 0.0 < number < math.inf:
                    raise ValueError(f"covariate '{name}' is {given}; give a positive quantity in a unit like {known}")
                checked[name] = number
            elif known is not None and given not in known:
                raise ValueError(f"covariate '{name}' is '{given}'; {nearest(str(given), known)}")
            else:
                checked[name] = str(given)
        return checked

    def outside(self, covariates: Mapping[str, float | str]) -> list[str]:
        """Return one warning per covariate that lies outside the range its source covered; raises as `patient`."""
        from tme_sim.quantities import to_display

        given, warnings = self.patient(covariates), {}
        for effect in self.covariates:
            number = given.get(effect.covariate)
            if effect.covered is None or number is None or effect.covered[0] <= number <= effect.covered[1]:
                continue
            unit = rules.COVARIATES[effect.covariate]
            seen = " to ".join(f"{to_display(end, unit):.4g}" for end in effect.covered)
            warnings[effect.covariate] = (
                f"{self.name}: {effect.covariate} {to_display(number, unit):.4g} {unit} is "
                f"outside the {seen} {unit} of its source; its clearance is extrapolated"
            )
        return list(warnings.values())

    def kinetics(
        self, covariates: Mapping[str, float | str] | None = None, deviations: Mapping[str, float] | None = None
    ) -> Kinetics:
        """Return the slot's numbers for a patient.

        `covariates` as in :meth:`patient`; a covariate left out stands at the reference of each effect.  `deviations`
        are drawn values of [variability] (0 for the typical patient): a factor exp(d) on a value, a sum for Emax.
        Raises ValueError for an unknown covariate and KeyError for a deviation without published spread.
        """
        values = {name: p.internal for name, p in self.disposition.items()}
        given = self.patient(covariates or {})
        for effect in self.covariates:
            if effect.covariate in given:
                for name in effect.on:
                    values[name] = effect.apply(values[name], given[effect.covariate])
        for name, deviation in (deviations or {}).items():
            if name not in self.variability or name.startswith("correlation_"):
                raise KeyError(f"{self.name} has no published spread of '{name}'; {nearest(name, self.variability)}")
            values[name] = values[name] + deviation if name == "Emax" else values[name] * math.exp(deviation)
        return Kinetics(**values, zero_order_into_central=self.zero_order_into == "central")
