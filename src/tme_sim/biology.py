"""The section `[biology]`: mechanisms switched off, hypotheses chosen and arrows weakened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from tme_sim.catalogue import Catalogue
from tme_sim.diagnostics import Key, nearest, quoted
from tme_sim.validation import Model, Problems, check_table, tuple_of

__all__ = ["Biology", "flat_names", "read_biology", "read_hypotheses"]


class Biology(Model):
    """Which mechanisms, hypotheses and arrows are on."""

    off: tuple[str, ...] = Field((), description="mechanisms switched off")
    hypotheses: dict[str, str] = Field(default_factory=dict, description='registered alternatives, "slot" = "choice"')
    gains: dict[str, float] = Field(default_factory=dict, description="arrows: 1 as it is, 0 cut")


def read_biology(raw: Any, catalogue: Catalogue, problems: Problems) -> Biology | None:
    """The section `[biology]`, checked; None if it is no table or a key of it is wrong."""
    if not isinstance(raw, dict):
        problems.add(("biology",), "must be a table with keys")
        return None
    table = dict(raw)
    table["off"] = tuple_of(table.get("off", []))
    if isinstance(table.get("hypotheses"), dict):
        table["hypotheses"] = flat_names(table["hypotheses"])
        problems.places.join(("biology", "hypotheses"))
    if isinstance(table.get("gains"), dict):
        table["gains"] = {k: float(v) if type(v) is int and abs(v) < 2**53 else v for k, v in table["gains"].items()}
    biology = check_table(Biology, table, ("biology",), problems)
    if biology is None:
        return None
    for name in biology.off:
        if name not in catalogue.mechanisms:
            listed = ", ".join(catalogue.mechanisms)
            problems.add(
                ("biology", "off"),
                f"{quoted(name)} is no mechanism{nearest(name, catalogue.mechanisms)}; there are {listed}",
            )
    _check_hypotheses(biology.hypotheses, ("biology", "hypotheses"), catalogue, problems)
    for arrow, gain in biology.gains.items():
        key: Key = ("biology", "gains", arrow)
        if arrow not in catalogue.arrows:
            problems.add(key, f"is no arrow of the network{nearest(arrow, catalogue.arrows)}")
        elif not 0.0 <= gain <= 1.0:
            problems.add(key, f"a gain lies between 0 (cut) and 1 (as it is), not {gain:g}")
    return biology


def read_hypotheses(raw: Any, at: Key, catalogue: Catalogue, problems: Problems) -> dict[str, str]:
    """The choices of a table of hypotheses that stands at `at`, checked; empty if something is wrong with it."""
    if not isinstance(raw, Mapping):
        problems.add(at, 'must be a table: "slot" = "choice"')
        return {}
    chosen, before = flat_names(raw), len(problems.found)
    problems.places.join(at)
    for slot, choice in chosen.items():
        if not isinstance(choice, str):
            problems.add((*at, slot), f"must be the name of a choice in quotes, not {choice!r}")
    if len(problems.found) == before:
        _check_hypotheses(chosen, at, catalogue, problems)
    return chosen if len(problems.found) == before else {}


def _check_hypotheses(chosen: Mapping[str, str], at: Key, catalogue: Catalogue, problems: Problems) -> None:
    for slot, choice in chosen.items():
        key: Key = (*at, slot)
        if slot not in catalogue.hypotheses:
            listed = ", ".join(catalogue.hypotheses) or "none"
            problems.add(key, f"is no registered hypothesis{nearest(slot, catalogue.hypotheses)}; there are {listed}")
        elif choice not in catalogue.hypotheses[slot]:
            choices = catalogue.hypotheses[slot]
            problems.add(key, f"{quoted(choice)} is no choice{nearest(choice, choices)}; choose {', '.join(choices)}")


def flat_names(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Hypotheses by their names, which hold dots: ``mdsc.loss = "x"`` without quotes is a nested table."""
    out: dict[str, Any] = {}
    for key, value in table.items():
        out |= flat_names(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return out
