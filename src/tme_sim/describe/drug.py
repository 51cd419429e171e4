"""What `tme-sim describe` says about a drug of the library: what it acts on, its values with grade and source."""

from __future__ import annotations

from collections.abc import Mapping

from tme_sim.describe.words import title, wrapped
from tme_sim.quantities import Parameter, to_display
from tme_sim.therapies import drug_file as rules
from tme_sim.therapies.dosing import effect_numbers
from tme_sim.therapies.drug import CovariateEffect, Dose, Drug

GROUPS = (
    ("disposition", "Kinetics"), ("variability", "Spread between patients, standard deviation of the logarithm"),
    ("binding", "Binding"), ("kinases", "Half-inhibition of kinases"), ("effect", "Effects"),
    ("regional", "By the hepatic artery"),
)  # fmt: skip
FORMS = {
    "power": "times ({covariate}/{reference})^{size}", "factor": "times {size} if {covariate} is {level}",
    "factor_above": "times {size} if {covariate} is above {reference}",
    "factor_below": "times {size} if {covariate} is below {reference}",
    "shift": "plus {size} if {covariate} is {level}",
}  # fmt: skip


def drug_lines(drug: Drug) -> list[str]:
    """The text about a drug, line by line: ranges stand in brackets; sources are numbered and stand at its end."""
    numbers: dict[str, int] = {}
    out = [*title(f"{drug.name}, a drug"), *wrapped(drug.summary)]
    out += wrapped(f"{drug.target} ({drug.kind})", "Acts on     ")
    out += wrapped(f"{drug.slot}, of the mechanism kinetics, which tells the laws", "Slot        ")
    out += wrapped(", ".join(drug.routes), "Given       ")
    if drug.aliases:
        out += wrapped(", ".join(drug.aliases), "Also called ")
    numbers = effect_numbers(drug)
    if numbers:
        out += wrapped(f"{', '.join(numbers)} for one scenario in [parameters.{drug.name}]", "To change   ")
    out += wrapped(f"for good in {'/'.join(drug.path.parts[-4:])}, or in a copy in a folder given by --mechanisms",
                   "            " if numbers else "To change   ")  # fmt: skip
    for group, heading in (("", "Molar mass"), *GROUPS):
        values: Mapping[str, Parameter] = getattr(drug, group) if group else {"molar_mass": drug.molar_mass}
        if values:
            out += ["", heading, "-" * len(heading)]
            for name, value in values.items():
                out += _value(name, value, numbers)
            if group == "disposition":
                for effect in drug.covariates:
                    out += _covariate(effect, numbers)
    for depot in drug.depots:
        heading = f"Release from {depot.name}"
        out += ["", heading, "-" * len(heading)]
        for name, value in depot.values.items():
            out += _value(name, value, numbers)
    if drug.dosing:
        out += ["", "Regimens", "--------"]
    for one in drug.dosing:
        doses = ", or ".join(_dose(band.start) + _weight(band.weight_from, band.weight_to) for band in one.bands)
        out += wrapped(f"{one.name}: {doses}, {one.route}, {one.grade}, {_cited(one.source, numbers)}", "", "    ")
        out += wrapped(one.note, "    ", "    ") if one.note else []
    out += ["", "Sources", "-------"]
    for source, number in numbers.items():
        out += wrapped(source, f"{number}  ", "   ")
    return out


def _cited(source: str, numbers: dict[str, int]) -> str:
    return f"source {numbers.setdefault(source, len(numbers) + 1)}"


def _graded(value: Parameter, numbers: dict[str, int]) -> str:
    spread = "" if value.low == value.high else f" [{value.low:g} to {value.high:g}]"
    return f"{spread} {value.grade}, {_cited(value.source, numbers)}"


def _value(name: str, value: Parameter, numbers: dict[str, int]) -> list[str]:
    unit = "" if value.unit == "1" else f" {value.unit}"
    out = wrapped(f"{name} = {value.value:g}{unit}{_graded(value, numbers)}", "", "    ")
    return out + (wrapped(value.note, "    ", "    ") if value.note else [])


def _covariate(effect: CovariateEffect, numbers: dict[str, int]) -> list[str]:
    unit = rules.COVARIATES[effect.covariate]
    reference = "" if effect.reference is None else f"{float(to_display(effect.reference, unit)):g} {unit}"
    said = FORMS[effect.form].format(covariate=effect.covariate.replace("_", " "), reference=reference,
                                     level=effect.level, size=f"{effect.size.value:g}")  # fmt: skip
    return wrapped(f"{', '.join(effect.on)}: {said}{_graded(effect.size, numbers)}", "", "    ")


def _dose(dose: Dose) -> str:
    per = {"fixed": "mg", "weight": "mg/kg", "surface": "mg/m^2"}[dose.basis]
    return f"{dose.amount:g} {per} every {dose.interval:g} d"


def _weight(low: float, high: float) -> str:
    if low > 0.0:
        return f" from {low / 1e6:g} kg"
    return f" below {high / 1e6:g} kg" if high < float("inf") else ""
