"""The JSON schema of scenario files, from the same models that check them, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tme_sim.catalogue import Catalogue
from tme_sim.quantities import Parameter, is_dimensionless
from tme_sim.scenario import Scenario

__all__ = ["scenario_schema"]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    low, high = parameter.physical
    unit = "" if parameter.unit == "1" else f" {parameter.unit}"
    text = (
        f"{parameter.label or parameter.note or parameter.name}. Default {parameter.value:g}{unit}, evidence "
        f"{parameter.low:g} to {parameter.high:g}{unit} ({parameter.grade}). Source: {parameter.source}"
    )
    if is_dimensionless(parameter.unit):
        kind: dict[str, Any] = {"type": ["number", "string"], "minimum": low, "maximum": high}
        kind = {k: v for k, v in kind.items() if not isinstance(v, float) or abs(v) != float("inf")}
    else:
        kind = {"type": "string", "examples": [f"{parameter.value:g}{unit}"]}
    return kind | {"description": text}


def _table(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    return {name: _parameter(p) for name, p in sorted(parameters.items())}


def _of_drugs(catalogue: Catalogue) -> dict[str, Any]:
    """A table for each drug that has numbers to change."""
    from tme_sim.therapies.dosing import effect_numbers

    library = catalogue.library
    found = {} if library is None else {name: effect_numbers(library.get(name)) for name in sorted(library.names())}
    return {drug: {"type": "object", "properties": _table(numbers), "additionalProperties": False}
            for drug, numbers in found.items() if numbers}  # fmt: skip


def _spell_defaults(node: Any) -> None:
    """Write defaults that are quantities as a user types them, "70 kg", all the way down."""
    if isinstance(node, list):
        for item in node:
            _spell_defaults(item)
    elif isinstance(node, dict):
        match node.get("default"):
            case [int() | float() as value, str() as unit]:
                node["default"] = value if unit == "1" else f"{value:g} {unit}"
        for item in node.values():
            _spell_defaults(item)


def scenario_schema(catalogue: Catalogue) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a scenario file, with the names that `catalogue` knows."""
    schema = Scenario.model_json_schema(by_alias=True)
    tables = schema["$defs"]
    tables["Patient"]["properties"].pop("parameters", None)
    tables["Patient"]["properties"] |= _table(catalogue.parameters)
    tables["Lesion"]["properties"].pop("parameters", None)
    tables["Lesion"]["properties"] |= _table(catalogue.lesion_parameters)
    schema["properties"]["parameters"] = {
        "type": "object",
        "description": "model parameters, name = value with unit",
        "properties": _table({**catalogue.names(), **catalogue.session}) | _of_drugs(catalogue),
        "additionalProperties": False,
    }
    biology = tables["Biology"]["properties"]
    biology["off"]["items"] = {"enum": sorted(catalogue.mechanisms)}
    biology["hypotheses"] = {
        "type": "object",
        "properties": {slot: {"enum": list(choices)} for slot, choices in sorted(catalogue.hypotheses.items())},
        "additionalProperties": False,
    }
    biology["gains"] = {
        "type": "object",
        "properties": {
            arrow: {"type": "number", "minimum": 0, "maximum": 1, "description": label}
            for arrow, label in sorted(catalogue.arrows.items())
        },
        "additionalProperties": False,
    }
    tables["Protocol"]["properties"]["file"] = {"type": "string", "description": "a protocol file instead of the rest"}
    tables["Protocol"]["properties"]["after_progression"] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "description": "file of what is given once the protocol's own treatment has ended, or several, of which the "
        'first that fits is taken; "none" for nothing',
    }
    for table in ("DrugTreatment", "Tace", "Ablation", "Sbrt", "Radioembolisation", "Scan", "Visit", "Protocol"):
        # names may be left out
        tables[table]["required"] = [r for r in tables[table].get("required", []) if r != "name"]
    for quantity in ("Quantity", "Dose", "When"):
        tables.pop(quantity, None)
    _spell_defaults(schema)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "tme_sim scenario"
    return schema
