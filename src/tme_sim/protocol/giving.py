"""What is given: doses in mg for one body, infusions, and the entries of treatments, scans and visits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tme_sim.diagnostics import Key, nearest, quoted
from tme_sim.protocol.calendar import ORDER, Body, Entry
from tme_sim.protocol.dates import to_ticks
from tme_sim.protocol.dating import Dating
from tme_sim.protocol.doses import dose_basis
from tme_sim.protocol.tables import Ablation, DrugTreatment, Radioembolisation, Sbrt, Scan, Tace, Timed
from tme_sim.quantities import Quantity, convert, internal
from tme_sim.therapies.drug import Drug, Regimen
from tme_sim.therapies.library import Library
from tme_sim.validation import Problems

# doses in use, from memory: fractions from conventional to single-dose, mean dose of a tumour by microspheres
RANGES = {"sbrt": (1.8, 30.0, "a fraction"), "radioembolisation": (60.0, 600.0, "in the tumour")}
CARRIED = "doxorubicin"  # the drug whose release from emboli is known here (`session`)


def name_unknown_drugs(tables: Any, library: Library, key: Key, problems: Problems) -> None:
    """Note drugs that the library lacks in the tables of treatments of a protocol that cannot be read further."""
    for i, table in enumerate(tables if isinstance(tables, list) else ()):
        name = table.get("drug") if isinstance(table, dict) else None
        if isinstance(name, str) and name not in library and table.get("kind", "drug") == "drug":
            problems.add((*key, i, "drug"), _unknown(name, library))


def _unknown(name: str, library: Library) -> str:
    near = nearest(name, library.names())
    return f"{quoted(name)} is not in the drug library{near}; a file of your own lies in a folder given by --mechanisms"


def not_by(drug: Drug, route: str) -> str:
    """The message for a route that a drug cannot take."""
    known = " or ".join(f'"{r}"' for r in drug.routes)
    reason = "its library entry has no absorption" if route == "oral" else "only cytotoxic drugs are infused there"
    return f"{drug.name} is not given by the route {quoted(route)}: {reason}; write route = {known}, or leave it out"


@dataclass(frozen=True)
class Amounts:
    """What the doses of a drug are for one body: days between two by the library (None where the file says it), and
    amounts in mg: `loading` doses in order, the `usual` one, and levels `reduced` from it."""

    interval: float | None
    loading: tuple[float, ...]
    usual: float
    reduced: tuple[float, ...]

    @property
    def shape(self) -> tuple[float | None, int]:
        """What bodies must share to be given the same dates and levels."""
        return self.interval, len(self.reduced)

    @property
    def levels(self) -> tuple[float, ...]:
        """Loading doses, the usual one, reduced ones (mg), as :meth:`Giving.levels_of` orders them."""
        return (*self.loading, self.usual, *self.reduced)

    def dated(self, number: int) -> float:
        """The dose of a number, from 1 (mg)."""
        return self.loading[number - 1] if number <= len(self.loading) else self.usual


class Giving:
    """Turns dates into entries; notes drugs and doses that cannot be meant in the problems of `dating`."""

    def __init__(self, dating: Dating, body: Body):
        self.dating, self.body, self.problems, self.library = dating, body, dating.problems, dating.library
        self.warnings: list[str] = []

    def check_drug(self, item: DrugTreatment, key: Key) -> Drug | None:
        """The drug of a treatment, None after noting what is wrong with it."""
        drug = self.dating.drug(item.drug)
        if drug is None:
            self.problems.add((*key, "drug"), _unknown(item.drug, self.library))
            return None
        names = [r.name for r in drug.dosing]
        if item.regimen is not None and item.regimen not in names:
            tail = nearest(item.regimen, names)
            self.problems.add(
                (*key, "regimen"),
                f"{quoted(item.regimen)} is no regimen of {drug.name}{tail}; it has: {', '.join(names) or 'none'}",
            )
            return None
        route = self.dating.route(item)
        if route not in drug.routes:
            self.problems.add((*key, "route"), not_by(drug, route))
            return None
        if route == "oral" and item.infusion is not None:
            self.problems.add((*key, "infusion"), f'{drug.name} is taken by mouth; remove "infusion"')
            return None
        return drug

    def milligrams(self, dose: Quantity) -> float:
        """The amount of one dose in mg for this body."""
        per = dose_basis(dose.unit)
        if per == "kg":
            return convert(dose.value, dose.unit, "mg/kg") * self.body.weight
        if per == "m2":
            return convert(dose.value, dose.unit, "mg/m^2") * self.body.surface
        return convert(dose.value, dose.unit, "mg")

    def of_regimen(self, regimen: Regimen) -> float:
        """The starting dose of a library regimen in mg for this body."""
        start = regimen.band(internal(self.body.weight, "kg")).start
        return start.milligrams(internal(self.body.weight, "kg"), internal(self.body.surface, "m^2"))

    def duration(self, item: DrugTreatment, drug: Drug, regimen: Regimen | None, route: str) -> int:
        """Minutes of an infusion: as given, as in the regimen, as in any regimen of the drug, or one hour."""
        if route == "oral":
            return 0
        if item.infusion is not None:
            return max(1, to_ticks(item.infusion, "infusion"))
        for known in [*([regimen] if regimen else []), *drug.dosing]:
            if known.infusion > 0:
                return max(1, round(known.infusion * 1440))
        return 60

    def _doses(self, item: DrugTreatment, drug: Drug) -> tuple[float, list[float], dict]:
        """Usual amount, loading amounts in order (mg), and what all doses share."""
        regimen = self.dating.regimen(item)
        amount = self.milligrams(item.dose) if item.dose is not None else self.of_regimen(regimen)
        route = self.dating.route(item)
        same = {"drug": drug.name, "duration": self.duration(item, drug, regimen, route), "route": route}
        loading = [self.milligrams(load.dose) for load in item.loading for _ in range(load.times)]
        usual = [self.of_regimen(r) for r in drug.dosing]
        reduced = [self.milligrams(level) for level in item.levels]
        for given in sorted({amount, *loading, *reduced}):
            if usual and not min(usual) / 4 <= given <= 4 * max(usual):
                self.warnings.append(
                    f"{item.name}: {given:g} mg is far from the doses the library knows "
                    f"({min(usual):g} to {max(usual):g} mg)"
                )
        return amount, loading, same

    def too_close(self, ticks: Sequence[int], every: int, duration: int, key: Key) -> bool:
        """Note an infusion that runs into the next one."""
        gaps = [b - a for a, b in zip(ticks, ticks[1:], strict=False)] + ([every] if every else [])
        if any(gap < duration for gap in gaps):
            self.problems.add((*key, "infusion"), "an infusion would still run when the next one starts")
            return True
        return False

    def drug_entries(self, item: DrugTreatment, ticks: Sequence[int], key: Key) -> list[Entry]:
        """One entry per dose."""
        drug = self.check_drug(item, key)
        if drug is None:
            return []
        amount, loading, same = self._doses(item, drug)
        if self.too_close(ticks, 0, same["duration"], key):
            return []
        amounts = loading[: len(ticks)]
        amounts += [amount] * (len(ticks) - len(amounts))
        return [
            Entry(tick, ORDER["drug"], "drug", item.name, n, {"dose": dose, **same})
            for n, (tick, dose) in enumerate(zip(ticks, amounts, strict=True), 1)
        ]

    def levels_of(self, item: DrugTreatment, key: Key) -> tuple[list[Entry], int]:
        """Undated entries of a ruled drug: loading doses, the usual one, reduced levels; and how many are loading."""
        drug = self.check_drug(item, key)
        if drug is None:
            return [], 0
        amount, loading, same = self._doses(item, drug)
        reduced = self._below(amount, item)
        for before, after in zip([amount, *reduced], reduced, strict=False):
            if after >= before:
                self.problems.add((*key, "levels"), f"{after:g} mg is no reduction of {before:g} mg; levels go down")
        return [
            Entry(0, ORDER["drug"], "drug", item.name, n, {"dose": dose, **same})
            for n, dose in enumerate([*loading, amount, *reduced], 1)
        ], len(loading)

    def amounts(self, item: DrugTreatment) -> Amounts | None:
        """The doses of a treatment that was found right for another body; None where this one has a dose far from the
        library's, or a level that is no reduction, to be told of."""
        told = len(self.warnings)
        amount, loading, _ = self._doses(item, self.dating.drug(item.drug))
        reduced = self._below(amount, item)
        if len(self.warnings) > told or any(b >= a for a, b in zip([amount, *reduced], reduced, strict=False)):
            return None
        regimen = self.dating.regimen(item)
        interval = regimen.band(internal(self.body.weight, "kg")).start.interval if regimen else None
        return Amounts(interval, tuple(loading), amount, tuple(reduced))

    def _below(self, amount: float, item: DrugTreatment) -> list[float]:
        """Reduced levels (mg) of a body that starts with `amount`.

        A light patient may start where a heavy one is reduced to (lenvatinib: 8 mg below 60 kg, else 12 mg); levels
        that such a start already is at, or below, are passed over while one below it is left.
        """
        reduced = [self.milligrams(level) for level in item.levels]
        by_weight = len(self.dating.regimen(item).bands) > 1 if item.dose is None else dose_basis(item.dose.unit) != ""
        while by_weight and len(reduced) > 1 and reduced[0] >= amount:
            reduced = reduced[1:]
        return reduced

    def entries_of(self, item: Timed, ticks: Sequence[int], key: Key) -> list[Entry]:
        """One entry per date."""
        if isinstance(item, DrugTreatment):
            return self.drug_entries(item, ticks, key)
        data = procedure_data(item)
        self._check_carried(item, data, key)
        self._note_dose(item, data)
        kind = "planning" if getattr(item, "planning", False) else item.kind
        return [Entry(t, ORDER[kind], kind, item.name, n, data) for n, t in enumerate(ticks, 1)]

    def _check_carried(self, item: Timed, data: dict, key: Key) -> None:
        """Refuse a session with another drug than the one whose release is known; warn of one that carries none."""
        if not isinstance(item, Tace) or item.technique == "bland":
            return
        if item.drug is not None and self.dating.drug(item.drug) != self.dating.drug(CARRIED):
            self.problems.add(
                (*key, "drug"),
                f"{quoted(item.drug)} is not a drug that a session carries here{nearest(item.drug, [CARRIED])}; write "
                f'drug = "{CARRIED}" with a load that does as much, and say so in "source"',
            )
        warning = f'{item.name}: carries no drug; give it drug_load = "50 mg", or technique = "bland"'
        if not data["drug_load"] and warning not in self.warnings:
            self.warnings.append(warning)

    def _note_dose(self, item: Timed, data: dict) -> None:
        """Warn of a dose of radiation far from those in use (RANGES); the same treatment warns once."""
        if not isinstance(item, (Sbrt, Radioembolisation)):
            return
        given = data["dose"] / data["fractions"] if isinstance(item, Sbrt) else data["dose"]
        low, high, what = RANGES[item.kind]
        warning = f"{item.name}: {given:g} Gy {what} is far from doses in use ({low:g} to {high:g} Gy)"
        if not low <= given <= high and warning not in self.warnings:
            self.warnings.append(warning)


def procedure_data(item: Timed) -> dict:
    """What a reader of the calendar is told of a procedure, scan or visit; mg, mm and Gy."""
    if isinstance(item, Tace):
        load = None if item.drug_load is None else convert(item.drug_load.value, item.drug_load.unit, "mg")
        drug = item.drug if item.drug is not None or item.technique == "bland" else "doxorubicin"
        return {
            "technique": item.technique, "selectivity": item.selectivity, "endpoint": item.endpoint,
            "drug": drug, "drug_load": load, "targets": item.targets,
        }  # fmt: skip
    if isinstance(item, Ablation):
        return {"technique": item.technique, "margin": convert(*item.margin, "mm"), "targets": item.targets}
    if isinstance(item, Sbrt):
        return {"dose": convert(*item.dose, "Gy"), "fractions": item.fractions, "targets": item.targets}
    if isinstance(item, Radioembolisation):
        return {
            "material": item.material, "selectivity": item.selectivity, "dose": convert(*item.dose, "Gy"),
            "targets": item.targets,
        }  # fmt: skip
    return {"method": item.method} if isinstance(item, Scan) else {}
