"""The figure of who benefits: each arm against the first, what foretells it, and what is foretold for whom."""

from __future__ import annotations

import math
from textwrap import wrap
from typing import Any

import numpy as np

from tme_sim.plots.style import INK, MUTED, TEXT, WIDTH_MM
from tme_sim.plots.trial_sheet import ARM_COLOURS, TrialSheet, arm_words, shortened

__all__ = ["benefit_figure"]

MOST = 5  # arms beside the first that are drawn
LEFT = 47.0
HIGH, LOW, NONE, ALL = "#6FA8D6", "#E8A060", "#DCDCDC", ARM_COLOURS[1]
QUARTERS = ("#D9E6F2", "#8FB8DE", "#4C8FC4", ARM_COLOURS[1])


def benefit_figure(result: Any):
    """Who benefits from each arm rather than the first; None for few patients, or where everybody benefits or nobody.

    Above, how well each marker tells those who benefit from the others, with two standard errors: to the right where
    high values go with benefit, to the left where low ones do, grey where it could be chance.  Below, what quarters of
    patients gain, in the order of what was foretold for them.
    """
    from tme_sim.cohort.benefit import GAIN, MARKERS, benefit_of

    first, others = result.arms[0], result.arms[1:]
    found = [benefit_of(result, first, other) for other in others[:MOST]]
    if not found or found[0] is None or all(math.isnan(one.auc["all"][0]) for one in found):
        return None
    names = ["all", *sorted((n for n in found[0].auc if n != "all"), key=lambda n: -_far(found, n))]
    letters = int((WIDTH_MM - LEFT - 5.0) / len(found) / 2.0)
    titles = [_lines(arm_words(result, one.second), letters) for one in found]
    top = 26.0 + 3.5 * max(map(len, titles))
    sheet = TrialSheet(result, "benefit", 4.4 * len(names) + 34.0, columns=len(found), rows=2, left=LEFT, bottom=13.0,
                       top=top, heights=(4.4 * len(names), 34.0))  # fmt: skip
    above, below = sheet.axes[: len(found)], sheet.axes[len(found) :]
    reach = max(0.2, *(abs(a - 0.5) + 2 * e for one in found for a, e in one.auc.values() if not math.isnan(a)))
    for i, (one, axes) in enumerate(zip(found, above, strict=True)):
        _markers(axes, one, names, min(reach * 1.04, 0.5))
        axes.set_yticks(range(len(names)), ["all markers together", *(MARKERS[n] for n in names[1:])] if i == 0 else [])
        sheet.dress(axes, "", "")
        count = int((one.gain >= GAIN).sum())
        told = f"{count} of {len(one.gain)} gain"
        axes.set_title("\n".join([*titles[i], told]), fontsize=TEXT + 0.5, color=INK, loc="left", pad=3)
    low = min(0.0, *(g[0] - 2 * g[1] for one in found for g in one.groups))
    high = max(0.1, *(g[0] + 2 * g[1] for one in found for g in one.groups))
    for i, (one, axes) in enumerate(zip(found, below, strict=True)):
        _quarters(axes, one, low, high)
        sheet.dress(axes, "", "months gained" if i == 0 else "")
        if i:
            axes.set_yticklabels([])
    _under(sheet, above, "those who benefit have low values  ←  0.5: no use  →  high values")
    words = f"quarters of patients, from least to most foretold gain (above: % that gains {GAIN:g} months)"
    _under(sheet, below, words)
    words = shortened(arm_words(result, first), 60)
    rest = f" (the first {MOST} of {len(others)} arms)" if len(others) > MOST else ""
    words = f"Instead of {words}, in the same patients{rest}; a gain is {GAIN:g} months or more; ± 2 standard errors"
    sheet.text(4.0, sheet.height - 12.4, words, va="top")
    sheet.key([("high values benefit", HIGH), ("low values benefit", LOW), ("could be chance", NONE),
               ("all together, on patients not seen", ALL)], drop=4.6)  # fmt: skip
    return sheet.figure


def _lines(words: str, letters: int) -> list[str]:
    """Words on at most three lines of so many letters."""
    lines = wrap(words, letters)
    return lines if len(lines) <= 3 else [*lines[:2], shortened(" ".join(lines[2:]), letters)]


def _far(found: list, name: str) -> float:
    """How far a marker lies from chance, on average over arms."""
    far = [abs(one.auc[name][0] - 0.5) for one in found if not math.isnan(one.auc[name][0])]
    return float(np.mean(far)) if far else 0.0


def _markers(axes: Any, one: Any, names: list[str], reach: float) -> None:
    for lane, name in enumerate(names):
        area, error = one.auc[name]
        if math.isnan(area):
            continue
        sure = abs(area - 0.5) > 2 * error
        colour = NONE if not sure else ALL if name == "all" else HIGH if area > 0.5 else LOW
        axes.barh(lane, area - 0.5, left=0.5, height=0.66, color=colour, linewidth=0)
        axes.plot([area - 2 * error, area + 2 * error], [lane, lane], color=INK, linewidth=0.7)
    if math.isnan(one.auc["all"][0]):
        words = "all of them,\nor nobody"
        axes.text(0.5, len(names) / 2, words, ha="center", va="bottom", fontsize=TEXT, color=MUTED)
    axes.axvline(0.5, color=INK, linewidth=0.6)
    axes.set_xlim(0.5 - reach, 0.5 + reach)
    axes.set_ylim(len(names) - 0.4, -0.6)
    ticks = [t for t in (0.0, 0.25, 0.5, 0.75, 1.0) if abs(t - 0.5) <= reach]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])


def _quarters(axes: Any, one: Any, low: float, top: float) -> None:
    heights, errors, shares = (np.array([g[k] for g in one.groups]) for k in range(3))
    axes.bar(range(4), heights, width=0.7, color=QUARTERS, linewidth=0)
    axes.errorbar(range(4), heights, yerr=2 * errors, fmt="none", ecolor=INK, elinewidth=0.7)
    span = top - low
    axes.set_ylim(low - 0.05 * span, top + 0.17 * span)
    for lane, share in enumerate(shares):
        axes.text(lane, top + 0.03 * span, f"{100 * share:.0f}", ha="center", va="bottom", fontsize=TEXT, color=INK)
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.set_xticks([0, 3], ["least", "most"])


def _under(sheet: TrialSheet, row: list, words: str) -> None:
    """One label for the axes of a row."""
    boxes = [axes.get_position() for axes in row]
    middle = 0.5 * (boxes[0].x0 + boxes[-1].x1) * WIDTH_MM
    sheet.text(middle, boxes[0].y0 * sheet.height - 8.6, words, ha="center", va="center")
