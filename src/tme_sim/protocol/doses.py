"""Doses as typed: flat, by body weight or by body surface."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from tme_sim.quantities import NONE, Quantity, QuantityError, convert, dimensions, parse_quantity
from tme_sim.validation import refuse_other_kinds, written

_MASS = (0, 0, 1, 0, 0, 0)
_MASS_PER_AREA = (0, -2, 1, 0, 0, 0)


class Dose(Quantity):
    """A dose as typed; `per` is "", "kg" or "m2"."""

    @property
    def per(self) -> str:
        """What the dose is multiplied by: nothing, body weight or body surface."""
        return dose_basis(self.unit)


def dose_basis(unit: str) -> str:
    """ "" for a flat dose, "kg" for one by weight, "m2" for one by body surface.

    Raises:
        QuantityError: the unit is none of a dose.
    """
    dimension = dimensions(unit)
    if dimension == _MASS:
        return ""
    if dimension == _MASS_PER_AREA:
        return "m2"
    if dimension == NONE and re.fullmatch(r"[kmunp]?g/kg", unit):
        return "kg"
    raise QuantityError(f'"{unit}" is no unit of a dose; write mg, mg/kg or mg/m^2')


def _read_dose(value: Any) -> Dose:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9:
        raise QuantityError(f'needs a unit: write "{value:g} mg" or "{value:g} mg/kg"')
    if isinstance(value, Dose):
        return value
    refuse_other_kinds(value, "mg")
    quantity = parse_quantity(value)
    if quantity.unit == "1":
        raise QuantityError(f'needs a unit: write "{quantity.value:g} mg" or "{quantity.value:g} mg/kg"')
    per = dose_basis(quantity.unit)
    size = convert(quantity.value, quantity.unit, {"": "mg", "kg": "mg/kg", "m2": "mg/m^2"}[per])
    most = {"": 100_000.0, "kg": 1_000.0, "m2": 20_000.0}[per]
    if not 0 < size <= most:
        raise QuantityError(
            f"{quantity} is no dose: it must be above 0 and at most {most:g} mg{'/' + per if per else ''}"
        )
    return Dose(*quantity)


DoseField = Annotated[
    Dose,
    BeforeValidator(_read_dose),
    PlainSerializer(written),
    WithJsonSchema({"type": "string", "examples": ["1500 mg", "15 mg/kg", "130 mg/m^2"]}),
    Field(description="dose: flat, by body weight or by body surface"),
]
