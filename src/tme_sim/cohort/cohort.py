"""Cohort files: the case mix of a trial over a biology that all cohorts share.

A cohort file names its `biology` file (relative to itself), draws of the case mix (`CASE_MIX`: tumours at entry, liver,
body, aetiology), rules of eligibility, and what was published of the real baseline, to be compared with.  The biology
file holds the other draws (growth, vessels, immune set points, occult foci), their correlations, and the registered
hypotheses that virtual patients follow; a cohort file may not hold them, so that cohorts differ in case mix alone.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tme_sim.biology import flat_names, read_hypotheses
from tme_sim.catalogue import Catalogue, load_catalogue
from tme_sim.cohort.distributions import Draw
from tme_sim.diagnostics import InputError, Problem, nearest, parse_toml, quoted, read_text
from tme_sim.kinds import refuse_another_kind
from tme_sim.patient import MAX_LESIONS
from tme_sim.quantities import Parameter, QuantityError, convert, parse_unit, same_dimension
from tme_sim.validation import Model, Problems, check_table, tuple_of

__all__ = ["CASE_MIX", "Cohort", "Correlation", "Eligibility", "Published", "load_cohort"]

# What a case mix may say, with the unit of each; the rest is biology.
CASE_MIX = {
    "tumour_number": "1",
    "largest_diameter": "mm",
    "size_ratio": "1",
    "extrahepatic_number": "1",
    "extrahepatic_diameter": "mm",
    "portal_invasion": "1",
    "infiltrative": "1",
    "aetiology": "text",
    "age": "year",
    "sex": "text",
    "weight": "kg",
    "height": "cm",
    "ecog": "text",
    "albumin_base": "g/L",
    "bilirubin_base": "umol/L",
}
SPECIAL = {"doubling_ratio": "1", "occult_liver": "1", "occult_extrahepatic": "1", "occult_diameter": "mm"}
NEEDED = ("tumour_number", "largest_diameter", "albumin_base", "bilirubin_base", "weight", "doubling_time")
PER_LESION = ("size_ratio", "doubling_ratio", "extrahepatic_diameter")
CHOICES = {"sex": ("female", "male"), "ecog": ("0", "1")}
BOUNDS = {
    "tumour_number": (1, 10),
    "extrahepatic_number": (0, 5),
    "largest_diameter": (5, 150),
    "size_ratio": (0.05, 1),
    "extrahepatic_diameter": (10, 100),
    "age": (18, 110),
    "weight": (20, 300),
    "height": (100, 250),
    "doubling_ratio": (0.2, 5),
    "occult_liver": (0, 50),
    "occult_extrahepatic": (0, 50),
    "occult_diameter": (0.5, 9.9),
}


class Header(Model):
    """What stands at the top of a cohort file."""

    schema_: Literal[1] = Field(1, alias="schema")
    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="short name")
    title: str = Field("", max_length=300)
    source: tuple[str, ...] = Field((), description="where the baseline is published")
    biology: str = Field(min_length=1, max_length=300, description="file of the shared draws, relative to this one")


class Correlation(Model):
    """How two draws go together: correlation of their normal scores (Gaussian copula)."""

    of: tuple[str, str]
    value: float = Field(gt=-1, lt=1)
    source: str = Field(min_length=3, max_length=600)
    grade: Literal["high", "medium", "low", "assumed"]


class Eligibility(Model):
    """Who may enter; draws that do not fit are drawn again."""

    child_pugh_most: int = Field(
        15, ge=5, le=15, description="points by albumin and bilirubin; nobody starts with ascites or encephalopathy"
    )
    number_most: int = Field(50, ge=1, le=50, description="tumours that imaging shows in the liver")
    diameter_least: float = Field(0.0, ge=0, le=300, description="largest, mm")
    diameter_most: float = Field(1000.0, gt=0, le=1000, description="largest, mm")
    burden_least: float = Field(0.0, ge=0, le=60, description="largest diameter in cm plus number")
    burden_most: float = Field(100.0, gt=0, le=100, description="largest diameter in cm plus number")


class Published(Model):
    """A figure of the real baseline: share of patients with ``of`` equal to (or at least, at most) a value, or a
    median or mean of it."""

    what: str = Field(min_length=3, max_length=120)
    statistic: Literal["share", "median", "mean", "sd"]
    of: str
    equals: str | float | None = None
    least: float | None = None
    most: float | None = None
    value: float = Field(description="shares as a fraction of 1")
    source: str = Field(min_length=3, max_length=600)
    grade: Literal["high", "medium", "low", "assumed"]


class Aetiology(Model):
    """What an aetiology changes, as a factor."""

    doubling_time: float = Field(1.0, gt=0.1, lt=10)
    source: str = Field(min_length=3, max_length=600)
    grade: Literal["high", "medium", "low", "assumed"]


@dataclass(frozen=True)
class Cohort:
    """A checked cohort.  `draws` hold case mix and biology by name; see :func:`load_cohort`."""

    name: str
    title: str
    source: tuple[str, ...]
    draws: Mapping[str, Draw]
    correlations: tuple[Correlation, ...]
    eligibility: Eligibility
    published: tuple[Published, ...]
    aetiologies: Mapping[str, Aetiology]
    catalogue: Catalogue = field(repr=False, compare=False)
    path: str = ""
    hypotheses: Mapping[str, str] = field(default_factory=dict)

    def parameter(self, name: str) -> Parameter | None:
        """The model parameter that a draw sets, if it is one."""
        return self.catalogue.names().get(name)

    def biology(self, chosen: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The table `biology` of a scenario for these patients: what `chosen` says, and where it says nothing the
        hypotheses of the cohort."""
        table = dict(chosen or {})
        own = table.get("hypotheses", {})
        if self.hypotheses and isinstance(own, Mapping):
            table["hypotheses"] = {**self.hypotheses, **flat_names(own)}
        return table

    @property
    def followed(self) -> str:
        """The hypotheses in words, or ""."""
        labels = self.catalogue.hypotheses
        return "; ".join(f"{slot} = {choice} ({labels[slot][choice]})" for slot, choice in self.hypotheses.items())

    @property
    def digest(self) -> str:
        """Digest of everything that decides who is drawn, and the hypotheses that are followed."""
        data = {
            "draws": {n: d.model_dump(exclude={"source", "grade", "note"}) for n, d in sorted(self.draws.items())},
            "correlations": [(c.of, c.value) for c in self.correlations],
            "eligibility": self.eligibility.model_dump(),
            "aetiologies": {n: a.doubling_time for n, a in sorted(self.aetiologies.items())},
        }
        if self.hypotheses:
            data["hypotheses"] = dict(sorted(self.hypotheses.items()))
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def changed(self, changes: Mapping[str, float]) -> Cohort:
        """A copy with numbers of its draws changed: ``{"doubling_time.median": 140.0}`` in the draw's own unit.

        Raises:
            InputError: a draw that is not there, a number it does not take, or one outside its evidence.
        """
        draws = dict(self.draws)
        found = []
        for key, value in changes.items():
            name, _, number = key.partition(".")
            if name not in draws:
                found.append(Problem(self.name, key, f"{quoted(name)} is no draw of this cohort{nearest(name, draws)}"))
                continue
            old = draws[name].model_dump(exclude_none=True)
            if number not in old or not isinstance(old[number], float):
                numbers = [n for n, v in old.items() if isinstance(v, float)]
                found.append(Problem(self.name, key, f"has no number {quoted(number)}; it has {', '.join(numbers)}"))
                continue
            problems = Problems(_nowhere(self.name))
            new = check_table(Draw, old | {number: float(value)}, ("draw", name), problems)
            found += problems.found
            if new is not None:
                draws[name] = new
                found += [Problem(self.name, key, m) for m in _wrong(name, new, self.catalogue)]
        if found:
            raise InputError(found)
        return replace(self, draws=draws)

    def following(self, values: Mapping[str, float], *, fixed: Literal["refuse", "pass over"] = "refuse") -> Cohort:
        """A copy with those of `values` that are numbers of its draws, as :meth:`changed`; values of the model and
        numbers of draws that are not here are left out.

        Args:
            fixed: what to do with a number that a draw of this name does not have, since this cohort fixes what others
                draw: refuse it, or keep the cohort's own.

        Raises:
            InputError: as :meth:`changed`.
        """
        own = {}
        for key, value in values.items():
            name, dot, number = key.partition(".")
            has = dot and name in self.draws
            if has and (fixed == "refuse" or getattr(self.draws[name], number, None) is not None):
                own[key] = value
        return self.changed(own) if own else self


def load_cohort(path: str | Path, *, catalogue: Catalogue | None = None) -> Cohort:
    """Read and check a cohort file and the biology it names.

    Raises:
        InputError: with every mistake found, among them correlations that no patients could have.
    """
    raw, places = parse_toml(read_text(path), str(path))
    refuse_another_kind(raw, str(path), "cohort")
    problems = Problems(places)
    if "biology" not in raw and "aetiology" in raw:
        raise InputError(
            Problem(
                str(path),
                "",
                ("is the biology that cohorts share, not a cohort; give a file that names it, with biology = ..."),
            )
        )
    head = check_table(
        Header, {k: tuple_of(v) for k, v in raw.items() if k in Header.model_fields or k == "schema"}, (), problems
    )
    allowed = {"schema", "name", "title", "source", "biology", "draw", "correlation", "eligibility", "published"}
    for key in raw:
        if key not in allowed:
            problems.add((key,), f"is not known here{nearest(key, allowed)}; there are {', '.join(sorted(allowed))}")
    catalogue = catalogue or load_catalogue()
    draws = _draws(raw.get("draw", {}), problems, catalogue, case_mix=True)
    correlations = _list(Correlation, raw.get("correlation", []), "correlation", problems)
    eligibility = check_table(Eligibility, raw.get("eligibility", {}), ("eligibility",), problems)
    published = _list(Published, raw.get("published", []), "published", problems)
    aetiologies: dict[str, Aetiology] = {}
    hypotheses: dict[str, str] = {}
    if head is not None:
        more, ties, aetiologies, hypotheses = _biology(Path(path).parent / head.biology, catalogue, problems)
        draws, correlations = {**more, **draws}, [*ties, *correlations]
    if not problems:
        for name in NEEDED:
            if name not in draws:
                problems.add(("draw",), f"nothing says how {name} is drawn; add [draw.{name}]")
        _check_together(draws, correlations, aetiologies, problems)
    if problems:
        raise InputError(problems.ordered())
    return Cohort(
        head.name,
        head.title,
        head.source,
        draws,
        tuple(correlations),
        eligibility,
        tuple(published),
        aetiologies,
        catalogue,
        str(path),
        hypotheses,
    )


def _biology(path: Path, catalogue: Catalogue, problems: Problems):
    """Draws, correlations, aetiologies and hypotheses of a biology file; its mistakes join those of the cohort."""
    try:
        raw, places = parse_toml(read_text(path), str(path))
    except InputError as error:
        problems.found += error.problems
        return {}, [], {}, {}
    inner = Problems(places)
    allowed = {"schema", "title", "draw", "correlation", "aetiology", "hypotheses"}
    for key in raw:
        if key not in allowed:
            inner.add((key,), f"is not known here{nearest(key, allowed)}; there are {', '.join(sorted(allowed))}")
    if raw.get("schema", 1) != 1:
        inner.add(("schema",), "must be 1")
    draws = _draws(raw.get("draw", {}), inner, catalogue, case_mix=False)
    ties = _list(Correlation, raw.get("correlation", []), "correlation", inner)
    aetiologies = {}
    for name, table in (raw.get("aetiology", {}) or {}).items():
        one = check_table(Aetiology, table, ("aetiology", name), inner)
        if one is not None:
            aetiologies[name] = one
    hypotheses = read_hypotheses(raw.get("hypotheses", {}), ("hypotheses",), catalogue, inner)
    problems.found += inner.found
    return draws, ties, aetiologies, hypotheses


def _nowhere(name: str):
    from tme_sim.diagnostics import Places

    return Places(name)


def _list(model: type, raw: Any, key: str, problems: Problems) -> list:
    if not isinstance(raw, list):
        problems.add((key,), f"must be a list of tables: write [[{key}]] with double brackets")
        return []
    out = [
        check_table(
            model, {k: tuple_of(v) for k, v in item.items()} if isinstance(item, dict) else item, (key, i), problems
        )
        for i, item in enumerate(raw)
    ]
    return [one for one in out if one is not None]


def _draws(raw: Any, problems: Problems, catalogue: Catalogue, *, case_mix: bool) -> dict[str, Draw]:
    if not isinstance(raw, dict):
        problems.add(("draw",), "must be tables: write [draw.NAME]")
        return {}
    known = {**CASE_MIX, **SPECIAL, **{n: p.unit for n, p in catalogue.names().items()}}
    out: dict[str, Draw] = {}
    for name, table in raw.items():
        key = ("draw", name)
        if name not in known:
            problems.add(key, f"is no draw: neither of the case mix nor a parameter of the model{nearest(name, known)}")
            continue
        if case_mix and name not in CASE_MIX:
            problems.add(
                key, "is biology, and cohorts differ in case mix alone; it stands in the file that `biology` names"
            )
            continue
        if not case_mix and name in CASE_MIX:
            problems.add(key, "belongs to the case mix and stands in each cohort file")
            continue
        draw = check_table(
            Draw, {k: tuple_of(v) for k, v in table.items()} if isinstance(table, dict) else table, key, problems
        )
        if draw is None:
            continue
        wrong = draw.mistakes() or _wrong(name, draw, catalogue)
        for message in wrong:
            problems.add(key, message)
        if not wrong:
            out[name] = draw
    return out


def _wrong(name: str, draw: Draw, catalogue: Catalogue) -> list[str]:
    """What is wrong with a draw in view of what it sets: unit, kind of values, evidence range."""
    parameter = catalogue.names().get(name)
    unit = {**SPECIAL, **CASE_MIX}.get(name) or parameter.unit
    if name in CHOICES or unit == "text":
        if draw.distribution not in ("choice", "fixed"):
            return ["is one of several texts: use a choice"]
        values = draw.values if draw.distribution == "choice" else (draw.value,)
        allowed = CHOICES.get(name)
        bad = [v for v in values if not isinstance(v, str) or (allowed and v not in allowed)]
        return [f"{quoted(bad[0])} is not one of {', '.join(allowed) if allowed else 'texts'}"] if bad else []
    try:
        parse_unit(draw.unit)
    except QuantityError as error:
        return [str(error)]
    if not same_dimension(draw.unit, unit):
        return [f"has unit {draw.unit}; {name} is measured in {unit}"]
    low, high = BOUNDS.get(name) or (parameter.low, parameter.high)
    low, high = (float(convert(v, unit, draw.unit)) for v in (low, high))
    ends = _ends(draw)
    if any(isinstance(v, str) for v in ends):
        return ["is a number, not text"]
    slack = 1e-9 * max(abs(low), abs(high))
    if ends[0] < low - slack or ends[1] > high + slack:
        return [
            f"reaches from {ends[0]:g} to {ends[1]:g} {draw.unit}, outside what is known for {name} "
            f"({low:g} to {high:g}); cut it with low and high"
        ]
    if name in ("tumour_number", "extrahepatic_number") and draw.distribution not in ("choice", "fixed"):
        return ["is a whole number: use a choice"]
    return []


def _ends(draw: Draw) -> tuple[Any, Any]:
    """The smallest and largest value that can be drawn."""
    if draw.distribution == "fixed":
        return draw.value, draw.value
    if draw.distribution == "choice":
        return min(draw.values), max(draw.values)
    if draw.distribution == "chance":
        return (0.0, 1.0)
    start = 0.0 if draw.distribution == "lognormal" else -math.inf
    return (start if draw.low is None else draw.low, math.inf if draw.high is None else draw.high)


def _check_together(
    draws: Mapping[str, Draw], ties: list[Correlation], aetiologies: Mapping, problems: Problems
) -> None:
    seen = set()
    for i, tie in enumerate(ties):
        key = ("correlation", i, "of")
        for name in tie.of:
            if name not in draws:
                problems.add(key, f"{quoted(name)} is no draw of this cohort{nearest(name, draws)}")
            elif name in PER_LESION:
                problems.add(key, f"{name} is drawn for each lesion and cannot be correlated")
        if tie.of[0] == tie.of[1] or frozenset(tie.of) in seen:
            problems.add(key, f"{' and '.join(tie.of)} are correlated twice, or a draw with itself")
        seen.add(frozenset(tie.of))
    if "aetiology" in draws:
        draw = draws["aetiology"]
        for name in draw.values if draw.distribution == "choice" else (draw.value,):
            if name not in aetiologies:
                problems.add(
                    ("draw", "aetiology"),
                    f"{quoted(name)} is no aetiology of the biology file"
                    f"{nearest(name, aetiologies)}; there are {', '.join(aetiologies) or 'none'}",
                )
    most = (
        max((v for v in (draws["tumour_number"].values or (draws["tumour_number"].value,))), default=0)
        if "tumour_number" in draws
        else 0
    )
    if "extrahepatic_number" in draws:
        most += max(draws["extrahepatic_number"].values or (draws["extrahepatic_number"].value,))
    if most > MAX_LESIONS:
        problems.add(
            ("draw", "tumour_number"),
            f"with spread outside the liver there are up to {most:g} lesions; {MAX_LESIONS} are followed one by one",
        )
    if not problems and factor_of(ties) is None:
        names = ", ".join(f"{' and '.join(t.of)} {t.value:g}" for t in ties)
        problems.add(("correlation",), f"no patients could have all of these correlations at once: {names}; weaken one")


def factor_of(ties: list[Correlation] | tuple[Correlation, ...], last: tuple[str, ...] = ()):
    """Names of the correlated draws, those of `last` at the end, and the lower Cholesky factor of their correlation
    matrix; None if there is none."""
    import numpy as np

    names = sorted({name for tie in ties for name in tie.of}, key=lambda n: (n in last, n))
    matrix = np.eye(len(names))
    for tie in ties:
        i, j = (names.index(n) for n in tie.of)
        matrix[i, j] = matrix[j, i] = tie.value
    if not names:
        return names, matrix
    try:
        return names, np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None
