"""The table of scenario keys in docs/files.md, as it follows from the JSON schema."""

from __future__ import annotations

import json
import re


def key_table():
    """The tables and keys of a scenario from its JSON schema, as Markdown."""
    from tme_sim.catalogue import Catalogue, load_catalogue
    from tme_sim.schema import scenario_schema

    schema = scenario_schema(Catalogue())
    tables = schema["$defs"]
    for name, parameter in load_catalogue().lesion_parameters.items():
        unit = "" if parameter.unit == "1" else parameter.unit
        told = {"x-unit": unit, "examples": [f"{parameter.value:g} {unit}"]} if unit else {"type": "number"}
        usual = f"{parameter.value:g} {unit}" if unit else parameter.value
        tables["Lesion"]["properties"][name] = told | {"default": usual, "description": parameter.note or f"see `tme-sim describe {name}`"}
    places = [
        ("top", schema),
        ("[patient]", tables["Patient"]),
        ("[[patient.lesion]]", tables["Lesion"]),
        ("[patient.occult]", tables["Occult"]),
        ("[imaging]", tables["ImagingSettings"]),
        ("[biology]", tables["Biology"]),
        ("[posterior]", tables["FromPosterior"]),
        ("[piece]", tables["Tissue"]),
        ("[run]", tables["RunSettings"]),
        ("[outputs]", tables["Outputs"]),
        ("[protocol]", tables["Protocol"]),
        ("[[protocol.phase]]", tables["Phase"]),
        ('[[protocol.treatment]], kind = "tace"', tables["Tace"]),
        ('[[protocol.treatment]], kind = "drug"', tables["DrugTreatment"]),
        ('[[protocol.treatment]], kind = "ablation"', tables["Ablation"]),
        ('[[protocol.treatment]], kind = "sbrt"', tables["Sbrt"]),
        ('[[protocol.treatment]], kind = "radioembolisation"', tables["Radioembolisation"]),
        ("loading", tables["Loading"]),
        ("hold", tables["Hold"]),
        ("rule", tables["Rule"]),
        ("on_demand", tables["OnDemand"]),
        ("[[protocol.scan]]", tables["Scan"]),
        ("[[protocol.visit]]", tables["Visit"]),
    ]
    out = []
    for place, table in places:
        rows = [(k, v) for k, v in table["properties"].items() if not (place == "top" and "type" not in v)]
        rows = [
            (k, v)
            for k, v in rows
            if k
            not in ("patient", "biology", "parameters", "protocol", "run", "outputs", "lesion", "treatment", "scan", "phase",
                    "visit")
            or place not in ("top", "[patient]", "[protocol]")
        ]
        heading = (
            "At the top" if place == "top" else f"`{place}`" if place.startswith("[") else f"`{place}` of a treatment"
        )
        out += ["", heading, "", "| key | value | default | meaning |", "|---|---|---|---|"]
        for key, value in rows:
            needed = key in table.get("required", ())
            out.append(
                f"| `{key}` | {kind_of(value)} | {'required' if needed else default_of(value)} | {meaning_of(value)} |"
            )
    return "\n".join(out[1:]) + "\n"


def variants(value):
    """The alternatives of a schema entry but for "not given"."""
    found = []
    for one in value.get("anyOf", [value]):
        found += variants(one) if "anyOf" in one and one is not value else [one]
    return [v for v in found if v.get("type") != "null"]


def kind_of(value):
    """What may be written, in words."""
    words = []
    for one in variants(value):
        if "const" in one:
            words.append(f"`{json.dumps(one['const'])}`")
        elif "enum" in one:
            words.append(", ".join(f"`{json.dumps(e)}`" for e in one["enum"]))
        elif "x-unit" in one:
            words.append(f'a quantity like `"{one.get("examples", [one["x-unit"]])[0]}"`')
        elif one.get("examples"):
            words.append(f'like `"{one["examples"][0]}"`')
        elif one.get("type") == "array":
            inner = kind_of(one.get("items", {})) or "the name of a mechanism"
            words.append("tables" if "$ref" in one.get("items", {}) else f"a list, each {inner}")
        elif one.get("type") == "object":
            words.append("a table")
        else:
            words.append(
                {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "`true`, `false`"}.get(
                    one.get("type"), "a table"
                )
            )
    return " or ".join(dict.fromkeys(words))


def default_of(value):
    default = value.get("default")
    if (
        isinstance(default, list)
        and len(default) == 2
        and isinstance(default[1], str)
        and not isinstance(default[0], str)
    ):
        return f'`"{default[0]:g} {default[1]}"`'
    return "" if default in (None, "", [], {}) else f"`{json.dumps(default)}`"


def meaning_of(value):
    found = [v["description"] for v in (value, *value.get("anyOf", ()), *variants(value)) if v.get("description")]
    return re.sub(r" \[[^]]+\]$", "", found[0]) if found else ""


def keys_in(text):
    start, end = re.search(r"<!-- keys: [^>]*-->\n", text).end(), text.index("<!-- end of keys -->")
    return start, end
