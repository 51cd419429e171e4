"""From a drug of the library and a patient to the values of its kinetic slot, and from a dose to calendar jumps.

Everything here is a pure function; every number comes from the library entry.  A jump is a group of affine changes of
states and held inputs at one tick: each row adds ``coefficient * value(source) + constant`` to its target, and all rows
read the values from before the jump.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tme_sim.mechanisms import kinetics
from tme_sim.quantities import Parameter, to_display
from tme_sim.therapies.drug import Drug, Kinetics

TICKS_PER_DAY = 1440
POINTS_A_TO_B = 2.0  # Child-Pugh points from the middle of class A (5, 6) to the part of class B seen in trials (7, 8)
FLOWS = {"CL": "CL", "V1": "V1", "Q1": "Q", "V2": "V2", "Q2": "Q2", "V3": "V3", "Vmax": "Vmax", "Km": "Km", "ka": "ka",
         "Emax": "CL_Emax", "T50": "CL_T50", "hill": "CL_hill"}
EFFECTS = {
    "trap": {"molar_mass": "trap_molar_mass"},
    "tki": {"molar_mass": "tki_molar_mass", "free_fraction": "tki_free_share", "signalling_ic50": "tki_IC50",
            "direct_growth_maximum": "tki_direct_max", "direct_growth_ic50": "tki_direct_IC50"},
    "pd1": {"engagement_ec50": "pd1_EC50", "maximal_occupancy": "pd1_engaged_max"},
    "ctla4": {"engagement_ec50": "ctla4_EC50", "maximal_occupancy": "ctla4_engaged_max"},
    "chemo": {"molar_mass": "chemo_molar_mass", "hepatic_extraction": "chemo_extraction",
              "regional_gain": "chemo_regional_gain", "kill_maximum": "chemo_kill_max", "kill_ic50": "chemo_kill_IC50",
              "kill_hill": "chemo_kill_hill"},
}
EFFECTS["chemo2"] = {field: name.replace("chemo_", "chemo2_") for field, name in EFFECTS["chemo"].items()}
BLOCKS = {"trap": "Bmax_trap", "tki": "Bmax_tki"}


@dataclass(frozen=True)
class Row:
    """One affine change: `target` gains ``coefficient * source + constant`` (internal units; source "" means none)."""

    target: str
    source: str
    coefficient: float
    constant: float


@dataclass(frozen=True)
class Jump:
    """Changes that happen together at one tick (1 tick = 1 min); `order` sorts jumps of the same tick."""

    tick: int
    rows: tuple[Row, ...]
    label: str
    order: int = 10


STOP_ORDER = 5  # an infusion that ends does so before another begins at the same tick


def add(target: str, amount: float) -> Row:
    """Row that adds `amount` (internal units)."""
    return Row(target, "", 0.0, amount)


def set_to(target: str, value: float) -> Row:
    """Row that replaces what is there by `value` (internal units)."""
    return Row(target, target, -1.0, value)


# --- the slot's values ----------------------------------------------------------------------------------------------


def slot_parameters(
    drug: Drug,
    patient: Mapping[str, float | str] | None = None,
    deviations: Mapping[str, float] | None = None,
    typical: Mapping[str, Parameter] | None = None,
) -> dict[str, Parameter]:
    """Parameters of the kinetic slot that `drug` takes, for one patient.

    Args:
        drug: an entry of the library.
        patient: covariates as :meth:`Drug.patient` takes them; albumin and Child-Pugh class are those at entry.
        deviations: drawn deviations from the typical patient, as :meth:`Drug.kinetics` takes them.
        typical: what this returns for the drug alone, where a caller asks for many patients.

    Returns:
        Parameters by name (``tki_CL``, ...), each with the source and grade of its library value; slot parameters that
        the drug does not mention come back as those of an empty slot.

    Raises:
        ValueError, KeyError: from :meth:`Drug.kinetics`.
    """
    slot = drug.slot
    values = drug.kinetics(patient, deviations)
    if typical is not None:
        own = {f"{slot}_{name}": (drug.disposition[field], getattr(values, field)) for field, name in FLOWS.items()
               if field in drug.disposition and getattr(values, field) != drug.disposition[field].internal}  # fmt: skip
        empty = {p.name: p for p in kinetics.MECHANISM.parameters if p.name in own}
        return {**typical, **{name: _taken(empty[name], found, drug, value) for name, (found, value) in own.items()}}
    out = {p.name: p for p in kinetics.MECHANISM.parameters if p.name.startswith(f"{slot}_")}
    for field, name in FLOWS.items():
        if field in drug.disposition:
            target = out[f"{slot}_{name}"]
            out[target.name] = _taken(target, drug.disposition[field], drug, getattr(values, field))
    for field, name in EFFECTS[slot].items():
        found = _effect(drug, field)
        if found is not None:
            out[name] = _taken(out[name], found, drug, found.internal)
    for name, found in _liver_effects(drug).items():
        out[f"{slot}_{name}"] = _taken(out[f"{slot}_{name}"], found, drug, found.internal)
    return out


def effect_numbers(drug: Drug) -> dict[str, Parameter]:
    """Numbers of what `drug` does at its target that its entry gives, by their names there."""
    given = drug.binding | drug.effect | drug.regional
    slot = {p.name: p for p in kinetics.MECHANISM.parameters}
    return {field: replace(given[field], name=f"{drug.name}.{field}", **_bounds(slot[name], given[field]))
            for field, name in EFFECTS[drug.slot].items() if field in given}  # fmt: skip


def changed_effects(drugs: Iterable[Drug], values: Mapping[str, float]) -> dict[str, float]:
    """Values of the slot parameters that numbers of drugs (``lenvatinib.signalling_ic50``) stand for; those of drugs
    that are not among `drugs` are passed over."""
    return {parameter: values[name] for drug in drugs for field, parameter in EFFECTS[drug.slot].items()
            if (name := f"{drug.name}.{field}") in values}  # fmt: skip


def block_parameters(drug: Drug, known: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Largest block of VEGF signalling by `drug`, if its role has one and `known` (parameters by name) declares it."""
    name = BLOCKS.get(drug.slot, "")
    if name not in known or "maximal_vegf_block" not in drug.effect:
        return {}
    found = drug.effect["maximal_vegf_block"]
    return {name: _taken(known[name], found, drug, found.internal)}


def _effect(drug: Drug, field: str) -> Parameter | None:
    if field == "molar_mass":
        return drug.molar_mass
    for table in (drug.binding, drug.effect, drug.regional):
        if field in table:
            return table[field]
    if field == "engagement_ec50":
        # No whole-blood value published: the plasma concentration that binds half at the drug's affinity.
        affinity = drug.binding["affinity"]
        size = drug.molar_mass.internal
        return replace(
            affinity, unit="mg/L", note=f"affinity times molar mass; {affinity.note}".rstrip("; "),
            **{end: to_display(getattr(affinity, f"{end}_internal") * size, "mg/L") for end in ("low", "high")},
            value=to_display(affinity.internal * size, "mg/L"),
        )
    return None


def _liver_effects(drug: Drug) -> dict[str, Parameter]:
    """How clearance answers to later changes of albumin and Child-Pugh points: the entry effects, continued."""
    out = {}
    for effect in drug.covariates:
        if "CL" not in effect.on:
            continue
        if effect.covariate == "albumin" and effect.form == "power":
            out["CL_albumin"] = effect.size
        if effect.covariate == "child_pugh" and effect.form == "factor" and effect.level == "B":
            ends = {end: math.log(getattr(effect.size, end)) / POINTS_A_TO_B for end in ("value", "low", "high")}
            out["CL_child_pugh"] = replace(
                effect.size, **ends, note=f"factor {effect.size.value:g} of class B over {POINTS_A_TO_B:g} points")
    return out


def _taken(target: Parameter, found: Parameter, drug: Drug, value: float) -> Parameter:
    """`target` with a library value: in the library's unit, its range widened to hold the patient's value."""
    shown = float(to_display(value, found.unit))
    scale = shown / found.value if found.value > 0.0 < shown else 1.0
    low, high = sorted((found.low * scale, found.high * scale))
    note = f"{drug.name}: {target.note.split(': ', 1)[-1]}"
    if scale != 1.0:
        note += f", for this patient (typical {found.value:g} {found.unit})"
    return replace(
        target, value=shown, unit=found.unit, source=found.source, grade=found.grade, low=min(low, shown),
        high=max(high, shown), note=note, **_bounds(target, found),
    )


def _bounds(target: Parameter, found: Parameter) -> dict[str, float | None]:
    """Physical bounds of a library value, and those of what it replaces where it has none and the unit is the same."""
    own = {"minimum": found.minimum, "maximum": found.maximum}
    if target.unit != found.unit:
        return own
    replaced = dict(zip(own, target.physical, strict=True))
    return {name: end if end is not None or math.isinf(replaced[name]) else replaced[name] for name, end in own.items()}


# --- doses ----------------------------------------------------------------------------------------------------------


def entering(values: Kinetics, milligrams: float) -> float:
    """Amount [mg] of the measured substance that a dose brings in: bioavailable, and without the carrier's mass."""
    if not 0.0 < milligrams < math.inf:
        raise ValueError(f"a dose of {milligrams} mg cannot be given; write a positive amount")
    return milligrams * values.F * values.moiety_share


def ticks(duration: float) -> int:
    """Whole ticks of a duration [day], at least one."""
    if not 0.0 <= duration < math.inf:
        raise ValueError(f"a duration of {duration} days cannot be; write a positive one")
    return max(1, round(duration * TICKS_PER_DAY))


def dose(
    drug: Drug,
    values: Kinetics,
    milligrams: float,
    tick: int,
    *,
    route: str = "",
    infusion: float = 0.0,
    overlapping: bool = False,
) -> list[Jump]:
    """Jumps of one dose, each amount given exactly once.

    Args:
        drug: the entry of the library.
        values: its kinetics for this patient (`Drug.kinetics`).
        milligrams: the dose [mg].
        tick: when it starts.
        route: ``intravenous``, ``oral`` or ``hepatic_artery``; that of the drug when left out.
        infusion: duration [day], rounded to whole ticks; 0 is a bolus (an arterial one takes one tick).
        overlapping: let the infusion add to one that is still running, instead of replacing it.  Sums of rates that
            come and go may then leave a rounding residue.

    Returns:
        One jump for a bolus; a start and a stop for an infusion or a slow release.

    Raises:
        ValueError: a dose or duration that is not positive, or a route that the drug or its slot cannot take.
    """
    slot, amount = drug.slot, entering(values, milligrams)
    route = route or drug.usual_route
    on = set_to(f"{slot}_on", 1.0)
    label = f"{drug.name} {milligrams:g} mg"
    if route == "oral":
        if values.ka <= 0.0:
            raise ValueError(f"{drug.name} has no absorption rate, so it is not given by mouth; use {drug.route}")
        if infusion:
            raise ValueError(f"{drug.name} by mouth has no infusion time; leave it out")
        slow = amount * values.zero_order_share if values.zero_order_duration > 0.0 else 0.0
        rows = (add(f"{slot}_depot", amount - slow), on) if amount > slow else (on,)
        if slow == 0.0:
            return [Jump(tick, rows, label)]
        held = f"{slot}_infusion" if values.zero_order_into_central else f"{slot}_intake"
        return _running(held, slow, tick, ticks(values.zero_order_duration), rows, label, overlapping)
    if route == "hepatic_artery":
        if slot not in kinetics.CYTOTOXIC:
            raise ValueError(f"{drug.name} ({drug.role}) cannot be infused into the hepatic artery; use intravenous")
        return _running(f"{slot}_arterial", amount, tick, ticks(infusion), (on,), label, overlapping)
    if route != "intravenous":
        raise ValueError(f'route "{route}" is not known; use intravenous, oral or hepatic_artery')
    if infusion == 0.0:
        return [Jump(tick, (add(f"{slot}_central", amount), on), label)]
    return _running(f"{slot}_infusion", amount, tick, ticks(infusion), (on,), label, overlapping)


def _running(held, amount, tick, length, rows, label, overlapping) -> list[Jump]:
    """A held input that is switched to `amount` over `length` ticks, and off again."""
    rate = amount / length * TICKS_PER_DAY
    start, stop = (add(held, rate), add(held, -rate)) if overlapping else (set_to(held, rate), set_to(held, 0.0))
    return [Jump(tick, (start, *rows), label), Jump(tick + length, (stop,), f"{label}: end", STOP_ORDER)]


def averaged(drug: Drug, values: Kinetics, milligrams: float, interval: float, first: int, last: int) -> list[Jump]:
    """Jumps of oral dosing averaged over the day: a constant release into the gut from tick `first` to tick `last`.

    `interval` [day] is the time between two doses of `milligrams` [mg].  The mean concentration is that of resolved
    doses; peaks and troughs are lost.

    Raises:
        ValueError: a drug that is not given by mouth, an empty span, or an interval that is not positive.
    """
    if drug.route != "oral" or values.ka <= 0.0:
        raise ValueError(f"{drug.name} is not given by mouth; averaged dosing is for daily tablets")
    if last <= first or not interval > 0.0:
        raise ValueError(f"averaged dosing from tick {first} to {last} every {interval} d cannot be; correct the span")
    held = f"{drug.slot}_intake"
    rows = (set_to(held, entering(values, milligrams) / interval), set_to(f"{drug.slot}_on", 1.0))
    label = f"{drug.name} {milligrams:g} mg every {interval:g} days, averaged"
    return [Jump(first, rows, label), Jump(last, (set_to(held, 0.0),), f"{label}: end", STOP_ORDER)]
