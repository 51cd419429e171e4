"""The patient of a scenario: covariates, lesions that imaging shows, and occult foci that it does not."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tme_sim.catalogue import Catalogue
from tme_sim.diagnostics import Key, dotted, known_key, quoted
from tme_sim.quantities import Parameter, Quantity, QuantityError, convert, parse_number_or_quantity
from tme_sim.schedule import Body
from tme_sim.validation import NAME_PATTERN, Model, Problems, check_table, measured, refuse_other_kinds

__all__ = ["MAX_LESIONS", "Lesion", "Occult", "Patient", "read_parameter", "read_patient"]

MAX_LESIONS = 12


class Lesion(Model):
    """One lesion; its keys besides `name` are the lesion parameters of the mechanisms."""

    name: str = Field("", pattern=NAME_PATTERN + "|^$", description="a name to refer to")
    parameters: dict[str, Quantity] = Field(default_factory=dict, exclude=True)


class Occult(Model):
    """Foci too small to be seen at entry, drawn for the patient from the seed; they become the new lesions of later
    scans.

    Most new lesions of trials were there before.  First progression of TACE alone was a new liver lesion in 52 % and
    extrahepatic in 19 % (EMERALD-1 control arm, shares overlap); with a doubling time of 160 days a lesion of 10 mm at
    8 months measured 7 mm at entry.  Numbers and sizes are chosen with that in view: assumed.  Births later are
    rare: HCC arises in 1 to 8 % of patients with cirrhosis a year (EASL guideline 2018, from memory: assumed).
    """

    liver: float = Field(2.0, ge=0, le=50, description="mean number in the liver (Poisson)")
    extrahepatic: float = Field(0.25, ge=0, le=50, description="mean number outside the liver (Poisson)")
    diameter: measured("mm", "median diameter", above=0, most=9.9, example="5 mm") = Quantity(5.0, "mm")
    spread: float = Field(0.5, ge=0, le=2, description="standard deviation of the logarithm of the diameter")
    births: measured("1/year", "mean number born later in the liver", least=0, most=50, example="0.03 1/year") = (
        Quantity(0.03, "1/year")
    )
    growth_spread: float = Field(
        0.3, ge=0, le=2, description="the same of the doubling time, around that of the first lesion"
    )
    arterial: float = Field(
        0.5, ge=0, le=1, description="mean share of feeding by the hepatic artery; TACE and imaging see the rest badly"
    )


class Patient(Model):
    """Covariates of dosing and kinetics; further keys are parameters of the mechanisms.

    A covariate that is not given stands at the reference of each drug's own population model.
    """

    weight: measured("kg", "body weight", least=20, most=300, example="70 kg") = Quantity(70.0, "kg")
    height: measured("cm", "body height", least=100, most=250, example="170 cm") = Quantity(170.0, "cm")
    age: measured("year", "age", least=18, most=110, example="65 years") | None = None
    sex: Literal["female", "male"] | None = None
    albumin: measured("g/L", "serum albumin", least=10, most=70, example="40 g/L") | None = None
    alkaline_phosphatase: measured("U/L", "in serum", above=0, most=5000, example="109 U/L") | None = None
    aspartate_aminotransferase: measured("U/L", "in serum", above=0, most=10000, example="40 U/L") | None = None
    child_pugh: Literal["A", "B", "C"] | None = None
    ecog: Literal["0", "1"] | None = None
    line: Literal["first", "later"] | None = Field(None, description="line of systemic therapy")
    number: int = Field(0, ge=0, lt=2**63, description="which patient of the seed: keys every draw for this one")
    chance: Literal["median", "drawn"] = Field(
        "median", description="when death and vascular invasion strike: their median, or a draw of the patient's own"
    )
    lesion: tuple[Lesion, ...] = (Lesion(name="lesion 1"),)
    occult: Occult | None = None
    parameters: dict[str, Quantity] = Field(default_factory=dict, exclude=True)

    @property
    def body(self) -> Body:
        """Weight and height for dosing."""
        return Body(convert(*self.weight, "kg"), convert(*self.height, "cm"))


LARGEST_LESION = 300.0  # mm; a sphere of 14 L, ten times a healthy liver
SMALLEST_LESION = 0.02  # mm; a cell

_Scalars = {"weight", "height", "age", "sex", "albumin", "alkaline_phosphatase", "aspartate_aminotransferase",
            "child_pugh", "ecog", "line", "number", "chance"}  # fmt: skip


def read_parameter(
    value: Any, parameter: Parameter, key: Key, problems: Problems, warnings: list[str]
) -> Quantity | None:
    """Check an override of a model parameter: unit, physical bounds (an error), evidence range (a warning)."""
    try:
        refuse_other_kinds(value, parameter.unit)
        quantity = parse_number_or_quantity(value, parameter.unit, parameter.name)
    except QuantityError as error:
        problems.add(key, str(error))
        return None
    number = convert(quantity.value, quantity.unit, parameter.unit)
    low, high = parameter.physical
    unit = "" if parameter.unit == "1" else f" {parameter.unit}"
    if not low <= number <= high:
        bound = f"at least {low:g}{unit}" if number < low else f"at most {high:g}{unit}"
        problems.add(key, f"{quantity} is physically impossible: {parameter.name} is {bound}")
        return None
    if not parameter.low <= number <= parameter.high:
        warnings.append(
            f"{dotted(key)}: {quantity} lies outside the evidence for {parameter.name} "
            f"({parameter.low:g} to {parameter.high:g}{unit}, {parameter.grade})"
        )
    return quantity


def read_patient(raw: Any, catalogue: Catalogue, problems: Problems, warnings: list[str]) -> Patient | None:
    """Validate the table of a patient; returns None after noting every mistake in it."""
    before = len(problems.found)
    if not isinstance(raw, dict):
        problems.add(("patient",), "must be a table with keys")
        return None
    extra = {k: v for k, v in raw.items() if k not in _Scalars and k in catalogue.parameters}
    fixed = {k: v for k, v in raw.items() if k not in extra and k not in ("lesion", "occult")}
    allowed = {"lesion", "occult", *catalogue.parameters}
    model = check_table(
        Patient, {k: v for k, v in fixed.items() if k != "parameters"}, ("patient",), problems, also=allowed
    )
    if "parameters" in fixed:
        problems.add(
            ("patient", "parameters"), "is not known here; parameters stand in [parameters] or directly in [patient]"
        )
    read = {k: read_parameter(v, catalogue.parameters[k], ("patient", k), problems, warnings) for k, v in extra.items()}
    lesions = _lesions(raw.get("lesion"), catalogue, problems, warnings)
    occult = None
    if "occult" in raw:
        occult = check_table(Occult, raw["occult"], ("patient", "occult"), problems)
    if len(problems.found) > before or model is None:
        return None
    return model.model_copy(update={"parameters": read, "lesion": lesions, "occult": occult})


def _impossible(key: str, value: Quantity) -> str:
    """Why no lesion has this value, and what it may have; "" if one can."""
    if key == "diameter" and convert(*value, "mm") > LARGEST_LESION:
        return f"larger than a liver; give at most {LARGEST_LESION:g} mm"
    if key == "diameter" and convert(*value, "mm") < SMALLEST_LESION:
        return f"smaller than a cell; give at least {SMALLEST_LESION:g} mm, or leave the lesion out"
    if key == "doubling_time" and value.value == 0.0:
        return "nothing grows without time; give more than 0 day"
    return ""


def _lesions(raw: Any, catalogue: Catalogue, problems: Problems, warnings: list[str]) -> tuple[Lesion, ...]:
    if raw is None:
        return (Lesion(name="lesion 1"),)
    if not isinstance(raw, list):
        problems.add(("patient", "lesion"), "must be a list of tables: write [[patient.lesion]] with double brackets")
        return ()
    if not raw:
        problems.add(("patient", "lesion"), "holds no lesion, and a run needs one; leave the key out for the usual one")
        return ()
    if len(raw) > MAX_LESIONS:
        problems.add(("patient", "lesion"), f"has {len(raw)} lesions; at most {MAX_LESIONS} are followed one by one")
        return ()
    out, seen = [], set()
    for i, item in enumerate(raw):
        key: Key = ("patient", "lesion", i)
        if not isinstance(item, dict):
            problems.add(key, "must be a table with keys")
            continue
        name = item.get("name", f"lesion {i + 1}")
        checked = check_table(Lesion, {"name": name}, key, problems)
        values = {}
        for k, v in item.items():
            if k == "name":
                continue
            if k not in catalogue.lesion_parameters:
                problems.add((*key, k), known_key(k, {"name", *catalogue.lesion_parameters}))
                continue
            values[k] = read_parameter(v, catalogue.lesion_parameters[k], (*key, k), problems, warnings)
            if values[k] is not None and (told := _impossible(k, values[k])):
                problems.add((*key, k), f"{values[k]} is physically impossible: {told}")
        if checked is not None and str(name).lower() in seen:
            problems.add((*key, "name"), f"a second lesion is named {quoted(name)}")
        seen.add(str(name).lower())
        if checked is not None:
            out.append(checked.model_copy(update={"parameters": values}))
    return tuple(out)
