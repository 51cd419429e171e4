"""The best protocol in words and as files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tme_sim.findings.optimise import Candidate, Constraint, Optimum, aimed, worth
from tme_sim.findings.protocols import ARM, beside_protocol, protocol_text
from tme_sim.findings.told import label_of, number

if TYPE_CHECKING:
    from tme_sim.study import Study

AIM_WORDS = {  # what the search made best, where that is not the mean
    "worst decile": "mean of the worst tenth of patients",
    "regret": "mean loss of a patient against the best protocol tried for each",
}

__all__ = ["optimum_lines", "protocol_texts"]


def chosen_text(study: Study, names: Sequence[str], candidate: Candidate) -> str:
    """What a candidate chooses, as name and value with unit."""
    parts = []
    for name, value in zip(names, candidate.values, strict=True):
        written: Any = value if name == ARM else study.factor(name).written(value)
        parts.append(f"{name} = {written}")
    return ", ".join(parts)


def optimum_lines(
    study: Study, names: Sequence[str], found: Optimum, outcome: str, aim: str, constraints: Sequence[Constraint]
) -> list[str]:
    """What the search found, line by line."""
    label = label_of(outcome)
    lines = [f"{found.tried} protocols tried, {found.runs} runs; {outcome}, best {aim} over patients"]
    lines += [f"kept by the patients that chose: {c.text}" for c in constraints]
    if found.failed:
        lines.append(f"{found.failed} runs gave no value; protocols with one of them are not chosen")
    rows = [("best", found.best, found.fresh_best)]
    if found.runner_up is not None:
        rows.append(("runner-up", found.runner_up, found.fresh_runner_up))
    for (word, one, fresh), broken in zip(rows, found.broken, strict=True):
        lines.append(f"{word}: {chosen_text(study, names, one)}")
        mean = f"  {label}: mean {number(float(np.mean(one.outcomes)))}"
        if study.replicates == 1:
            lines.append(f"{mean} in the only patient, who chose it; nothing is known of others ([replicates])")
            continue
        chose = f"{one.outcomes.size} patients" if one.outcomes.size > 1 else "patient"
        others = f"{fresh.size} others" if fresh.size > 1 else "another"
        lines.append(f"{mean} in the {chose} that chose, {number(float(np.nanmean(fresh)))} in {others}")
        lines += _aim_lines(found, one, fresh, aim)
        lines += [f"  not kept by the patients that did not choose: {c.text}" for c in broken]
    return [*lines, gap_text(found, label), *not_held(study)]


def _aim_lines(found: Optimum, one: Candidate, fresh: np.ndarray, aim: str) -> list[str]:
    """What the search made best, where that is not the mean; the others tried too few protocols to tell their loss."""
    if aim not in AIM_WORDS:
        return []
    text = f"  {AIM_WORDS[aim]}: {number(aimed(one.worth, found.sense, aim))} in those that chose"
    whole = fresh[np.isfinite(fresh)]
    if aim == "worst decile" and whole.size:
        text += f", {number(aimed(worth(whole, found.sense, aim), found.sense, aim))} in the others"
    return [text]


def not_held(study: Study) -> list[str]:
    """What the runs had beside the protocol and its file does not hold, as one sentence; nothing if that is nothing."""
    (arm,) = study.arms if len(study.arms) == 1 else (None,)
    held = [] if arm is None else [f"{key} = {arm.changes[key]}" for key in beside_protocol(arm)]
    return [f"found with {', '.join(held)} of arm {arm.name}, which this file does not hold"] if held else []


def gap_text(found: Optimum, label: str) -> str:
    """The gap between best and runner-up as a sentence."""
    gap = found.gap
    if gap is None:
        return "no second protocol that differs from the best by a tenth of a range was allowed"
    if gap.members < 2:
        return f"gap, {label}: {number(gap.mean)}; one patient says nothing about how sure that is"
    sure = "the best is better" if gap.low > 0 else "the runner-up is better" if gap.high < 0 else "not told apart"
    return (f"gap in the patients that did not choose, {label}: {number(gap.mean)} (95 % {number(gap.low)} to "
            f"{number(gap.high)}), best ahead in {gap.above} of {gap.members}: {sure}")  # fmt: skip


def protocol_texts(study: Study, names: Sequence[str], found: Optimum, outcome: str, aim: str) -> list[str]:
    """The best protocol and the runner-up as protocol files."""
    out = []
    for word, one in (("best", found.best), ("runner-up", found.runner_up)):
        if one is not None:
            title = f"{word} of study {study.name} by {outcome} ({aim}): {chosen_text(study, names, one)}"
            source = [f"searched over the factors of study {study.name}, {found.tried} protocols tried",
                      gap_text(found, label_of(outcome)), *not_held(study)]  # fmt: skip
            name = f"{study.name[:50]}_{word.replace('-', '_')}"
            out.append(protocol_text(study, names, one, name, title[:300], source))
    return out
