"""The section `[parameters]` of a scenario: values of the model, numbers of an embolisation and of drugs."""

from __future__ import annotations

from typing import Any

from tme_sim.biology import Biology
from tme_sim.catalogue import Catalogue
from tme_sim.diagnostics import Key, nearest
from tme_sim.patient import Patient, read_parameter
from tme_sim.quantities import Quantity
from tme_sim.validation import Problems

__all__ = ["read_parameters"]


def read_parameters(
    raw: Any, catalogue: Catalogue, patient: Patient | None, biology: Biology | None, problems: Problems,
    warnings: list[str],
) -> dict[str, Quantity]:  # fmt: skip
    """The section `[parameters]`, checked; those of a drug as ``DRUG.NUMBER``."""
    if not isinstance(raw, dict):
        problems.add(("parameters",), "must be a table with keys")
        return {}
    chosen = set(biology.hypotheses.items()) if biology is not None else set()
    known = catalogue.settable(chosen)
    absent: dict[str, tuple[str, str]] = {}  # a name that several hypotheses add belongs to the first of them
    for way, own in catalogue.under.items():
        absent |= {n: way for n in own if n not in absent}
    out: dict[str, Quantity] = {}
    for name, value in raw.items():
        key: Key = ("parameters", name)
        drug = name.partition(".")[0]
        if isinstance(value, dict) and catalogue.library is not None and name in catalogue.library.names():
            out |= _of_drug(name, value, catalogue, problems, warnings)
        elif drug != name and catalogue.library is not None and drug in catalogue.library.names():
            problems.add(key, f"stands in a table of its drug: write [parameters.{drug}]")
        elif name.startswith("gain_") and name[5:] in catalogue.arrows:
            problems.add(key, f"a gain stands in [biology.gains]: {name[5:]} = {value}")
        elif name not in known and name in absent:
            slot, choice = absent[name]
            problems.add(key, f'needs the hypothesis "{slot}" = "{choice}"; choose it in [biology.hypotheses]')
        elif name not in known:
            problems.add(key, f"is no parameter of the model{nearest(name, known)}; see tme-sim describe")
        elif patient is not None and name in patient.parameters:
            problems.add(key, "is given in [patient] too; keep one")
        else:
            quantity = read_parameter(value, known[name], key, problems, warnings)
            if quantity is not None:
                out[name] = quantity
    return out


def _of_drug(
    drug: str, raw: dict, catalogue: Catalogue, problems: Problems, warnings: list[str]
) -> dict[str, Quantity]:
    """What a table of ``[parameters.DRUG]`` changes of the library's entry, as ``DRUG.NUMBER``."""
    from tme_sim.therapies.dosing import effect_numbers

    known = effect_numbers(catalogue.library.get(drug))
    out: dict[str, Quantity] = {}
    for number, value in raw.items():
        key: Key = ("parameters", drug, number)
        if number not in known:
            there = nearest(number, known) or (f"; there are {', '.join(known)}" if known else ", which has none")
            problems.add(key, f"is no number of {drug} that can be changed here{there}")
            continue
        quantity = read_parameter(value, known[number], key, problems, warnings)
        if quantity is not None:
            out[f"{drug}.{number}"] = quantity
    return out
