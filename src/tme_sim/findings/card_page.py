"""The page about a hypothesis card: claim, verdict with the figure, predictions, what would refute it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tme_sim.findings import draw
from tme_sim.findings.cards import Card, Judged, overall
from tme_sim.findings.table import Missing, Table, cube
from tme_sim.findings.told import label_of, number
from tme_sim.report.page import Code, Page, Picture, Prose, Section, page_html
from tme_sim.report.page import Table as Rows

if TYPE_CHECKING:
    from tme_sim.study import Study

__all__ = ["card_html", "card_lines", "new_card"]

WORDS = {
    "supported": "Supported by this model: every prediction holds.",
    "supported in part": "Supported in part by this model: some predictions hold, others do not.",
    "refuted": "Refuted by this model: no prediction holds, and some fail.",
    "undecided": "Undecided in this model: no prediction fails, but not every one is certain.",
}


def card_lines(card: Card, judged: Sequence[Judged], missing: Missing) -> list[str]:
    """The verdict and every prediction as text."""
    lines = [f"warning: {missing.text}"] if missing.failed else []
    holding = sum(one.verdict == "holds" for one in judged)
    lines.append(f"{card.name}: {overall(judged)} ({holding} of {len(judged)} predictions hold)")
    return lines + [f"  {one.verdict:<10}{one.prediction.text} ({_effect(one)})" for one in judged]


def _effect(one: Judged) -> str:
    e = one.effect
    wanted = f", predicted above {_size(one, one.told(one.threshold))}" if one.threshold else ""
    mean, low, high = (one.told(v) for v in (e.mean, e.low, e.high))
    way, mean, low, high = ("better", mean, low, high) if e.mean >= 0 else ("worse", -mean, -high, -low)
    if e.members < 2:
        return f"{one.prediction.outcome}, {way} than {one.against} by {_size(one, mean)}{wanted}, one patient only"
    return (f"{one.prediction.outcome}, {way} than {one.against} by {_size(one, mean)}, 95 % "
            f"{_size(one, low)} to {_size(one, high)}{wanted}, {e.members} patients")  # fmt: skip


def _size(one: Judged, value: float) -> str:
    """A told effect as people read it: in per cent of the other arm, or in the unit of the endpoint."""
    return f"{100 * value:.3g} %" if one.relative else number(value)


def card_html(card: Card, study: Study, table: Table, judged: Sequence[Judged], missing: Missing,
              member: Sequence[str]) -> str:  # fmt: skip
    """The page as one HTML document that needs nothing else.

    Raises:
        ImportError: jinja2 is not installed (extra ``[report]``).
    """
    return page_html(card_page(card, study, table, judged, missing, member))


def card_page(card: Card, study: Study, table: Table, judged: Sequence[Judged], missing: Missing,
              member: Sequence[str]) -> Page:  # fmt: skip
    """The page as sections."""
    from tme_sim import __version__

    verdict = overall(judged)
    facts = [
        ("verdict", verdict), ("patients", str(judged[0].effect.members)), ("runs", str(len(table["arm"]))),
        ("arms", str(len(study.arms))), ("model", study.model_digest[:12]), ("tme_sim", __version__),
    ]  # fmt: skip
    about: list[Any] = [Prose(card.claim, "lead")]
    if card.source:
        about.append(Prose("Claimed by: " + "; ".join(card.source), "note"))
    if card.note:
        about.append(Prose(card.note))
    result: list[Any] = [Prose(WORDS[verdict], "lead")]
    if missing.failed:
        result.append(Prose(missing.text, "warning"))
    if judged[0].effect.members < 2:
        result.append(Prose("One patient only: nothing here says how patients differ.", "warning"))
    result += [_predictions(judged), *_pictures(study, table, judged, member)]
    refutes = [
        Rows(("measurement", "the claim is refuted if", "what it takes"),
             [(r.measurement, r.refuted_if, r.cost or "-") for r in card.refutes]),
        Prose("The verdict above is that of a model. These measurements decide.", "note"),
    ]  # fmt: skip
    again = [
        Code(" ".join(["tme-sim hypothesis run", str(card.path), *(f"--mechanisms {m}" for m in study.mechanisms)])),
        Code(card.text, "the card"),
        Code(study.text, "the study"),
    ]
    return Page(
        card.claim, "hypothesis card", facts,
        (Section("claim", "Claim", about), Section("verdict", "Verdict", result),
         Section("arms", "Arms", [_arms(study)]), Section("refute", "What would refute it", refutes),
         Section("again", "How to do it again", again)),
    )  # fmt: skip


def _pictures(study: Study, table: Table, judged: Sequence[Judged], member: Sequence[str]) -> list[Picture]:
    out = []
    for outcome in dict.fromkeys(one.prediction.outcome for one in judged):
        found = cube(table, outcome, ("arm",), member)
        values = {name: found.values[:, k] for k, (name,) in enumerate(found.cells)}
        values = {arm.name: values[arm.name] for arm in study.arms}
        label = label_of(outcome)
        figure = draw.arms_figure(values, title=f"{label[:1].upper()}{label[1:]} in every arm",
                                  subtitle="A grey line joins one patient across arms; bars are means.", label=label)
        courses = [(name, f"mean {number(float(np.mean(row)))}, {number(float(row.min()))} to "
                          f"{number(float(row.max()))} over patients") for name, row in values.items()]
        alt = f"Points: {label} of each patient in each arm"
        out.append(Picture(draw.png(figure), f"{label} of the same patients in every arm.", courses, alt))
    if judged[0].effect.members > 1:
        out += [_differences([one for one in judged if one.relative == kind], kind) for kind in (True, False)
                if any(one.relative == kind for one in judged)]  # fmt: skip
    return out


def _differences(judged: Sequence[Judged], relative: bool) -> Picture:
    rows, asked, courses = {}, {}, []
    for one in judged:
        e = one.effect
        name = f"{label_of(one.prediction.outcome).partition(' (')[0]}: {one.prediction.arm} against {one.against}"
        rows[name], asked[name] = (one.effects, e), one.threshold
        mean, low, high = (_size(one, one.told(v)) for v in (e.mean, e.low, e.high))
        courses.append((name, f"{mean} ({low} to {high}), better in {e.above} of {e.members} patients"))
    label = ("times worse  \u2190  equal at 1  \u2192  times better, ratio of the two arms" if relative
             else "better by, in the unit of the endpoint")  # fmt: skip
    mean = "geometric mean" if relative else "mean"
    subtitle = f"Points: patients. Diamond and line: {mean} with 95 % interval. Dashed: at least this was predicted."
    title = "How much better, paired within patients"
    figure = draw.differences_figure(rows, title=title, subtitle=subtitle, label=label, asked=asked, ratios=relative)
    kind = "ratios" if relative else "differences"
    return Picture(draw.png(figure), f"Paired {kind} of arms; on the right is as predicted.", courses,
                   f"Points: paired {kind} of each patient for each prediction")  # fmt: skip


def _predictions(judged: Sequence[Judged]) -> Rows:
    return Rows(
        ("prediction", "verdict", "compared with", "endpoint", "better by", "95 % interval", "asked"),
        [(one.prediction.text, one.verdict, one.against, one.prediction.outcome,
          _size(one, one.told(one.effect.mean)),
          f"{_size(one, one.told(one.effect.low))} to {_size(one, one.told(one.effect.high))}"
          if one.effect.members > 1 else "-",
          f"> {_size(one, one.told(one.threshold))}")
         for one in judged],
        numeric=(4, 5, 6),
    )  # fmt: skip


def _arms(study: Study) -> Rows:
    rows = []
    for arm in study.arms:
        scenario = study.scenario_of_arm(arm.name)
        given = [
            f"{p.drug if p.kind == 'drug' else _procedure(p)}: {p.start}" for p in scenario.protocol.treatment
        ]
        other = [f"{k} = {v}" for k, v in arm.changes.items() if k != "protocol" and not k.startswith("protocol.")]
        rows.append((arm.name, "; ".join(given) or "nothing", "; ".join(other) or "-"))
    return Rows(("arm", "what is given from when", "what else differs"), rows)


def _procedure(treatment: Any) -> str:
    """A procedure with the drug that it brings, if any."""
    name = {"tace": "TACE"}.get(treatment.kind, treatment.kind)
    drug = getattr(treatment, "drug", None)
    return f"{name} with {drug}" if drug else name


STUDY = '''\
# The study of a hypothesis card: the arms that its predictions compare, on the same patients.
schema = 1
name = "{name}"
title = "{title}"
question = "{title}"
base = "{base}"

[replicates]                      # the same patients in every arm
count = 16
[[replicates.draw]]
name = "doubling_time"
key = "patient.lesion.1.doubling_time"
low = "80 day"
high = "320 day"
scale = "log"

[[arm]]
name = "as it is"

[[arm]]
name = "changed"
set = {{ "parameters.k_MDSC_diff" = "0.2 1/day" }}

[outputs]
endpoints = ["{outcome}"]
'''

EXAMPLE = {"source": "who claims it, with DOI", "measurement": "what is measured, in whom, when"}
CARD = '''\
# A hypothesis card.  tme-sim hypothesis run {name} makes the page with the verdict.
schema = 1
name = "{name}"
claim = "{title}"
study = "study.toml"
source = ["{source}"]
note = "How the claim is put into the model, and what that leaves out."

[[prediction]]
text = "Less tumour where MDSC leave faster"
outcome = "{outcome}"
arm = "changed"
than = "as it is"
by = 0.05                         # by at least 5 %

[[refute]]
measurement = "{measurement}"
refuted_if = "the result that would refute the claim"
cost = "samples, animals or patients"
'''


def not_filled_in(card: Card) -> list[str]:
    """A warning where a card still has words of the example that :func:`new_card` writes."""
    given = {"source": card.source, "measurement": [one.measurement for one in card.refutes]}
    left = [name for name, words in EXAMPLE.items() if words in given[name]]
    said = f"warning: {card.name}: the example still stands in {' and '.join(left)}, so the verdict may be its own"
    return [said] if left else []


def new_card(name: str, base: str, days: float, title: str = "") -> dict[str, str]:
    """The files of a new card, ready to run: ``card.toml`` and ``study.toml``; `days` is how long the base runs."""
    from tme_sim.observe.endpoints import LANDMARKS

    title = title or "MDSC that leave faster let less tumour survive"
    day = max((d for d in LANDMARKS if d <= min(days, 365)), default=None)
    plain = {"name": name, "title": title.replace("\\", "").replace('"', "'"), "base": base,
             "outcome": f"burden_d{day}" if day else "depth", **EXAMPLE}  # fmt: skip
    return {"card.toml": CARD.format(**plain), "study.toml": STUDY.format(**plain)}
