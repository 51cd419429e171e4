"""Hypothesis cards: a claim, the study that tests it in the model, predictions, and what would refute it outside.

A card is a TOML file beside a study.  A prediction compares arms of the study, paired over the same patients:

* ``arm`` is better than ``than`` (one arm, or each of several) by at least ``by``, a share of what that arm gives;
* or, with ``beyond = [one, other, neither]``, ``arm`` is better than both effects together would give (the effects
  multiply where nothing interacts, as relative tumour volumes do: Bliss).

Effects are logarithms of the ratio of the two arms, patient by patient, where the endpoint is above 0 in all of them:
large tumours do not decide for small ones, and half as much weighs what twice as much does.  They are told as shares of
the other arm.  Where an endpoint reaches 0 they are differences, and ``by`` is a share of the mean of the other arm.

It holds if the whole 95 % interval of the paired difference lies beyond the threshold, fails if all of it lies on the
other side, and is undecided between.  The verdict is about this model; ``[[refute]]`` says what a laboratory or clinic
would measure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from tme_sim.diagnostics import InputError, nearest, parse_toml, quoted, read_text
from tme_sim.findings.paired import Difference, difference
from tme_sim.findings.table import Missing, Table, cube, sense_of
from tme_sim.kinds import refuse_another_kind
from tme_sim.study.outcomes import known_text
from tme_sim.validation import Model, Problems, check_table

__all__ = ["VERDICTS", "Card", "Judged", "Prediction", "Refute", "judge", "load_card", "verdict_of"]

VERDICTS = ("holds", "fails", "undecided")


class Prediction(Model):
    """One ``[[prediction]]``."""

    text: str = Field(max_length=400, description="the prediction in words")
    outcome: str = Field(max_length=64, description="endpoint of the study")
    better: Literal["higher", "lower"] | None = Field(None, description="which way is better, where it is not known")
    arm: str = Field(max_length=48, description="the arm that should be better")
    than: tuple[str, ...] | str = Field((), description="arms that it should be better than")
    by: float = Field(0.0, ge=0, le=10, description="by at least this share of the other arm")
    beyond: tuple[str, ...] = Field((), description="[one, other, neither]: better than both effects together")

    @property
    def others(self) -> tuple[str, ...]:
        """Arms that are compared with."""
        return (self.than,) if isinstance(self.than, str) else self.than

    @property
    def arms(self) -> tuple[str, ...]:
        """All arms that it names."""
        return (self.arm, *self.others, *self.beyond)


class Refute(Model):
    """One ``[[refute]]``: a measurement outside the model."""

    measurement: str = Field(max_length=600, description="what is measured, in whom, when")
    refuted_if: str = Field(max_length=400, description="the result that would refute the claim")
    cost: str = Field("", max_length=200, description="what it takes: samples, animals, patients")


class Header(Model):
    """What stands at the top of a card."""

    schema_: Literal[1] = Field(1, alias="schema", description="version of this file format")
    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="short name")
    claim: str = Field(max_length=600, description="the claim in one or two sentences")
    study: str = Field("study.toml", max_length=400, description="study file, from the folder of the card")
    source: tuple[str, ...] = Field((), description="who claims it, with DOI")
    note: str = Field("", max_length=2000, description="how the claim is put into the model, and what that leaves out")


@dataclass(frozen=True)
class Card:
    """A checked card."""

    name: str
    claim: str
    study: Path
    source: tuple[str, ...]
    note: str
    predictions: tuple[Prediction, ...]
    refutes: tuple[Refute, ...]
    path: Path
    text: str


@dataclass(frozen=True)
class Judged:
    """A prediction with what came out: `effect` over members (positive: as predicted), the `threshold` it had to pass,
    the `effects` of the members and the verdict.  Effects are logarithms of a ratio if `relative`, else differences;
    `sense` is 1 where more of the outcome is better and -1 where less is.
    """

    prediction: Prediction
    against: str
    effect: Difference
    threshold: float
    effects: np.ndarray
    verdict: str
    relative: bool
    sense: int = 1

    def told(self, effect: float) -> float:
        """An effect as a share of the other arm if `relative`, else as it is."""
        return self.sense * math.expm1(self.sense * effect) if self.relative else effect


def load_card(path: str | Path) -> Card:
    """Read a card.

    Raises:
        InputError: with every mistake found.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "card.toml"
    text = read_text(path)
    raw, places = parse_toml(text, str(path))
    refuse_another_kind(raw, str(path), "hypothesis card")
    raw = _tuples(raw)
    problems = Problems(places)
    lists = ("prediction", "refute")
    head = check_table(Header, {k: v for k, v in raw.items() if k not in lists}, (), problems, also=lists)
    predictions = _tables(Prediction, raw.get("prediction", ()), "prediction", problems)
    refutes = _tables(Refute, raw.get("refute", ()), "refute", problems)
    for i, one in enumerate(predictions):
        if one is not None and bool(one.others) == bool(one.beyond):
            problems.add(("prediction", i), 'give "than", or "beyond" with three arms')
        elif one is not None and one.arm in one.others:
            problems.add(("prediction", i, "than"), f"compares {quoted(one.arm)} with itself; name another arm")
        elif one is not None and one.beyond and len(one.beyond) != 3:
            problems.add(("prediction", i, "beyond"), "needs three arms: one effect, the other, and neither")
    for key, found in (("prediction", predictions), ("refute", refutes)):
        if not found:
            problems.add((key,), f"a card needs at least one [[{key}]]")
    if head is None or problems:
        raise InputError(problems.ordered())
    return Card(head.name, head.claim, path.parent / head.study, head.source, head.note, tuple(predictions),
                tuple(refutes), path, text)  # fmt: skip


def _tables(model: type, raw: Any, key: str, problems: Problems) -> list:
    if not isinstance(raw, tuple):
        problems.add((key,), f"must be a list of tables: write [[{key}]] with double brackets")
        return []
    return [check_table(model, item, (key, i), problems) for i, item in enumerate(raw)]


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(v) for v in value)
    return {k: _tuples(v) for k, v in value.items()} if isinstance(value, dict) else value


def check_names(card: Card, arms: Sequence[str], outcomes: Sequence[str]) -> None:
    """That arms of the predictions are `arms` of the study, their endpoints `outcomes` of its runs, and that it is
    known which way of each is better.

    Raises:
        InputError: one that is not, with the nearest name.
    """
    problems = Problems(parse_toml(card.text, str(card.path))[1])
    for i, one in enumerate(card.predictions):
        if one.outcome not in outcomes:
            told = known_text(one.outcome, outcomes)
            said = f"{quoted(one.outcome)} is no number that the runs of the study give{told}"
            problems.add(("prediction", i, "outcome"), said)
        else:
            try:
                if sense_of(one.outcome, one.better) < 0 and one.by >= 1:
                    problems.add(("prediction", i, "by"), "nothing is lower by all of it or more; give a share below 1")
            except InputError as error:
                problems.add(("prediction", i), error.problems[0].message)
        for name in one.arms:
            if name not in arms:
                near = nearest(name, arms)
                listed = ", ".join(arms)
                problems.add(("prediction", i), f"{quoted(name)} is no arm of the study{near}; it has {listed}")
    if problems:
        raise InputError(problems.ordered())


def with_better(card: Card, better: Mapping[str, str | None]) -> Card:
    """The card, where a prediction that does not say which way of its endpoint is better takes it from `better`."""
    told = tuple(one if one.better else one.model_copy(update={"better": better.get(one.outcome)})
                 for one in card.predictions)  # fmt: skip
    return replace(card, predictions=told)


def judge(card: Card, table: Table, member: Sequence[str] = ("replicate",)) -> tuple[list[Judged], Missing]:
    """Every prediction (once for each arm that it compares with) against a table of the study.

    Raises:
        InputError: an unknown endpoint, or too many failed runs.
    """
    out: list[Judged] = []
    missing = Missing(0, 0)
    for one in card.predictions:
        found = cube(table, one.outcome, ("arm",), member)
        missing = max(missing, found.missing, key=lambda m: (m.failed, m.runs))
        sense = sense_of(one.outcome, one.better)
        values = {name: found.values[:, k] for k, (name,) in enumerate(found.cells)}
        if one.beyond:
            out.append(_beyond(one, values, sense))
            continue
        for other in one.others:
            out.append(_judged(one, other, values[one.arm], values[other], sense))
    return out, missing


def _beyond(one: Prediction, values: Mapping[str, np.ndarray], sense: int) -> Judged:
    """Both together against what both effects, each relative to neither, give when multiplied."""
    first, second, neither = (values[name] for name in one.beyond)
    floor = 1e-12 * max(1.0, float(np.abs(neither).max()))
    expected = first * second / np.where(np.abs(neither) > floor, neither, np.nan)
    return _judged(one, f"{one.beyond[0]} times {one.beyond[1]}", values[one.arm], expected, sense)


def _judged(one: Prediction, against: str, arm: np.ndarray, other: np.ndarray, sense: int) -> Judged:
    relative = bool(min(np.nanmin(other), np.nanmin(arm)) > 0.0)
    if relative:
        effects, threshold = sense * np.log(arm / other), sense * math.log1p(sense * one.by)
    else:
        effects, threshold = sense * (arm - other), one.by * abs(float(np.nanmean(other)))
    effect = difference(effects, np.zeros_like(effects))
    return Judged(one, against, effect, threshold, effects, verdict_of(effect, threshold), relative, sense)


def verdict_of(effect: Difference, threshold: float) -> str:
    """"holds" if the whole interval lies above the threshold, "fails" if below it, else "undecided", as is a single
    patient, who has no interval."""
    if effect.members < 2:
        return "undecided"
    if effect.low > threshold:
        return "holds"
    return "fails" if effect.high <= threshold else "undecided"


def overall(judged: Sequence[Judged]) -> str:
    """The verdict of this model on the card: "supported" if every prediction holds, "supported in part" if some do,
    "refuted" if none holds and some fail, else "undecided".
    """
    verdicts = [j.verdict for j in judged]
    if all(v == "holds" for v in verdicts):
        return "supported"
    if "holds" in verdicts:
        return "supported in part"
    return "refuted" if "fails" in verdicts else "undecided"
