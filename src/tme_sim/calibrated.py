"""Values of a scenario that a calibration gives: a member of a posterior in place of the declared ones.

``[posterior] file`` names what `tme-sim calibrate` wrote, ``member`` which vector of it.  Its values stand among the
parameters of the resolved scenario, where those that the scenario states itself win; the hypotheses under which it was
fitted are followed.  Numbers of the draws of cohorts belong to patients who are drawn (:mod:`tme_sim.cohort`), and are
left out here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from tme_sim.biology import flat_names
from tme_sim.catalogue import Catalogue
from tme_sim.diagnostics import InputError, Key
from tme_sim.quantities import Quantity, to_display
from tme_sim.validation import Model, Problems, check_table, written

if TYPE_CHECKING:
    from tme_sim.posterior import Posterior
    from tme_sim.quantities import Parameter

__all__ = [
    "POSTERIOR_FILE", "Calibrated", "FromPosterior", "anchor_posterior", "draw_numbers", "posterior_at",
    "with_posterior",
]  # fmt: skip

TYPICAL = "typical"  # as the posterior calls it, which needs numpy to be read and is not for a scenario without one


def _member(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():  # of a study
        value = int(value)
    if value != TYPICAL and (type(value) is not int or value < 1):
        raise ValueError(f'must be the number of a member, from 1, or "{TYPICAL}"')
    return value


POSTERIOR_FILE = "posterior.file"  # as an override is called


class FromPosterior(Model):
    """The section `[posterior]`: which member of which calibration."""

    file: str = Field(min_length=1, max_length=1000, description="a calibration, from the folder of the scenario")
    member: Annotated[int | str, BeforeValidator(_member), WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, {"const": TYPICAL}]})] = Field(
        TYPICAL, description='number of a member, from 1; "typical" is what was fitted, at its mean'
    )  # fmt: skip
    share: float | None = Field(
        None, ge=0, le=1, description="the member at this share of all weights, in place of its number"
    )


class Calibrated(Model):
    """Which member a scenario follows, for its record."""

    name: str
    digest: str
    member: int | str


def posterior_at(path: str | Path, own: Mapping[str, str] | None = None) -> Posterior:
    """The posterior in a file, read once as long as the file stays.

    Raises:
        InputError: as :func:`tme_sim.posterior.load_posterior`.
    """
    from tme_sim.posterior import load_posterior

    try:
        state = Path(path).stat()
    except OSError:
        return load_posterior(path, own=own)  # says what is wrong
    return _read(str(path), state.st_mtime_ns, state.st_size, tuple(sorted((own or {}).items())))


@lru_cache(maxsize=8)
def _read(path: str, changed: int, size: int, own: tuple[tuple[str, str], ...]) -> Posterior:
    from tme_sim.posterior import load_posterior

    return load_posterior(path, own=dict(own))


def draw_numbers(values: Mapping[str, float], catalogue: Catalogue) -> dict[str, float]:
    """Those of a member's `values` that are numbers of the draws of a cohort (`occult_liver.median`)."""
    return {n: v for n, v in values.items() if "." in n and catalogue.of_drug(n) is None}


def anchor_posterior(raw: dict, folder: Path) -> None:
    """Take the posterior of a scenario file from the folder of the scenario, in place."""
    section = raw.get("posterior")
    if isinstance(section, dict) and isinstance(section.get("file"), str) and section["file"]:
        section["file"] = str((folder / section["file"]).resolve())


def with_posterior(
    raw: dict, catalogue: Catalogue, problems: Problems
) -> tuple[dict, FromPosterior | None, Calibrated | None]:
    """The tables of a scenario with what its section `[posterior]` gives, that section, and which member it means."""
    if "posterior" not in raw:
        return raw, None, None
    table = check_table(FromPosterior, raw["posterior"], ("posterior",), problems)
    if table is None:
        return raw, None, None
    try:
        posterior = posterior_at(table.file, catalogue.own)
        member = table.member if table.share is None else posterior.at(table.share)
        values = posterior.values(member)
    except InputError as error:
        problems.found += error.problems
        return raw, None, None
    except ValueError as error:
        problems.add(("posterior", "member"), str(error))
        return raw, None, None
    origin = f"{Path(table.file).name}, member {member}"
    out = {**raw, "biology": _following(posterior, raw.get("biology", {}), origin, problems)}
    if isinstance(raw.get("parameters", {}), dict):
        known = catalogue.settable(posterior.hypotheses.items())
        out["parameters"] = _given(values, raw, known, origin, catalogue, problems)
    return out, table, Calibrated(name=posterior.name, digest=posterior.digest, member=member)


def _following(posterior: Posterior, biology: Any, origin: str, problems: Problems) -> Any:
    """The table `[biology]` under the hypotheses of a posterior; notes one that is another."""
    if not isinstance(biology, dict) or not isinstance(biology.get("hypotheses", {}), dict):
        return biology
    own = flat_names(biology.get("hypotheses", {}))
    for slot, choice in posterior.hypotheses.items():
        if slot not in own:
            problems.places.origins["biology", "hypotheses", slot] = origin
        if own.get(slot, choice) != choice:
            problems.add(("biology", "hypotheses", slot), (
                f'is "{own[slot]}", and the posterior was fitted under "{choice}"; leave one of them out'))  # fmt: skip
    return {**biology, "hypotheses": {**posterior.hypotheses, **own}}


def _given(
    values: Mapping[str, float], raw: dict, known: Mapping[str, Parameter], origin: str, catalogue: Catalogue,
    problems: Problems,
) -> dict:  # fmt: skip
    """The table `[parameters]` with a member's values where the scenario says nothing of its own."""
    out = {name: dict(value) if isinstance(value, dict) else value for name, value in raw.get("parameters", {}).items()}
    patient = raw["patient"] if isinstance(raw.get("patient"), dict) else {}
    for name, value in values.items():
        drug, _, number = name.partition(".")
        declared = catalogue.of_drug(name) if number else known.get(name)
        if declared is None or (not number and name in patient):
            continue
        key: Key = ("parameters", drug, number) if number else ("parameters", name)
        place = out.setdefault(drug, {}) if number else out
        if isinstance(place, dict) and key[-1] not in place:
            place[key[-1]] = written(Quantity(float(to_display(value, declared.unit)), declared.unit))
            problems.places.origins[key] = origin
    return out
