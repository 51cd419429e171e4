"""Conversion to surgery in the arms of a trial: shares of patients who could be operated, visit by visit."""

from __future__ import annotations

from typing import Any

import numpy as np

from tme_sim.plots.style import INK, MUTED, TEXT
from tme_sim.plots.trial_sheet import MONTH, TrialSheet, arm_colour, arm_key, months_axis

__all__ = ["conversion_figure"]


def conversion_figure(result: Any):
    """Patients who could be operated at each visit (left) and at it or before (right); None if no arm converts anybody.

    The points mark the visit at which most could, the best moment to look.  Of patients who could not at entry.
    """
    from tme_sim.cohort.conversion import conversion_of
    from tme_sim.cohort.summary import wilson

    found = {arm: conversion_of(result, arm) for arm in result.arms}
    if not any(c.patients and c.ever.any() for c in found.values()):
        return None
    sheet = TrialSheet(result, "conversion", 58.0, columns=2, items=arm_key(result))
    now, ever = sheet.axes
    longest, highest = max([1.0, *(one.days[-1] / MONTH for one in found.values() if len(one.days))]), 0.0
    for arm, one in found.items():
        colour = arm_colour(result, arm)
        if not one.patients or not len(one.days):
            continue
        months = np.concatenate([[0.0], one.days / MONTH, [1.02 * longest]])  # the last visit is seen as a step, too
        for axes, counts in ((now, one.operable), (ever, one.ever)):
            share = 100 * np.concatenate([[0.0], counts, counts[-1:]]) / one.patients
            axes.step(months, share, where="post", color=colour, linewidth=1.2)
            highest = max(highest, float(share.max()))
        if len(result.arms) <= 3:  # more bands would hide each other
            low, high = 100 * np.array([wilson(count / one.patients, one.patients) for count in one.ever]).T
            ever.fill_between(months[1:-1], low, high, step="post", color=colour, alpha=0.13, linewidth=0)
            highest = max(highest, float(high.max()))
        if one.best is not None:
            most = 100 * one.operable[one.best] / one.patients
            now.plot(one.days[one.best] / MONTH, most, "o", color=colour, markersize=3.6)
    for axes, words in ((now, "could be operated at this visit (point: most)"), (ever, "at this visit or before")):
        months_axis(axes, longest)
        axes.set_xlim(0, longest * 1.02)
        axes.set_ylim(0, 1.08 * highest)
        sheet.dress(axes, "months", "patients (%)")
        axes.set_title(words, fontsize=TEXT + 0.5, color=INK, loc="left", pad=3)
    counts = {one.patients for one in found.values()}
    least, most = min(counts), max(counts)
    of = f"of {least}" if least == most else f"of {least} to {most}"
    words = f"{of} patients not resectable at entry"
    now.text(0.98, 0.97, words, transform=now.transAxes, ha="right", va="top", fontsize=TEXT, color=MUTED)
    sheet.key(arm_key(result))
    return sheet.figure
