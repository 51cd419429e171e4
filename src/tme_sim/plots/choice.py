"""The figure of a choice between arms: who gains by which, and what choosing by burden and invasion is worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from tme_sim.plots.style import INK, MUTED, TEXT
from tme_sim.plots.trial_sheet import ARM_COLOURS, TrialSheet, arm_words, shortened

__all__ = ["choice_figure"]

WITH, WITHOUT = ARM_COLOURS[2], ARM_COLOURS[1]


def choice_figure(result: Any):
    """Which arm for whom; None for few patients.  Of three arms and more see :func:`_among_several`.

    Left, months that the last arm gains over the first by burden, without and with portal invasion, with two standard
    errors (hollow and without them where patients are few); right, mean months without progression if all are given
    either arm, if the rule chooses, and if each got the better one.
    """
    from tme_sim.cohort.choice import LEAST, best_arms, choice_of

    several = best_arms(result)
    if several is not None:
        return _among_several(result, several)
    first, second = result.arms[0], result.arms[-1]
    found = choice_of(result, first, second)
    if found is None:
        return None
    sheet = TrialSheet(result, "choice", 64.0, columns=2, left=17.0, bottom=15.0)
    axes, beside = sheet.axes
    words = [shortened(arm_words(result, arm), 34) for arm in (first, second)]
    names = _burdens()
    edges, hollow = [], False
    for s in found.strata:
        x, colour = s.burden + (0.16 if s.invasion else -0.16), WITH if s.invasion else WITHOUT
        few = s.n < LEAST  # so few have no error worth showing, and the rule does not heed them
        error = 0.0 if few else 2 * s.error
        axes.errorbar(x, s.gain, yerr=None if few else error, fmt="o", color=colour, ecolor=colour, markersize=5,
                      elinewidth=1.2, markerfacecolor="white" if few else colour)  # fmt: skip
        hollow |= few
        edges += [s.gain - error, s.gain + error]
    span = max(1.0, *map(abs, edges)) * 1.32
    for s in found.strata:
        x, colour = s.burden + (0.16 if s.invasion else -0.16), WITH if s.invasion else WITHOUT
        axes.text(x, -span * 0.97, f"{s.n}", ha="center", va="bottom", fontsize=TEXT, color=colour)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set_ylim(-span, span)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xticks(range(len(names)), names)
    axes.text(-0.46, span * 0.97, f"better: {words[1]}", va="top", fontsize=TEXT, color=MUTED)
    axes.text(-0.46, -span * 0.78, f"better: {words[0]}", va="top", fontsize=TEXT, color=MUTED)
    axes.text(-0.46, -span * 0.97, "n", va="bottom", fontsize=TEXT, color=MUTED)
    sheet.dress(axes, "burden: largest diameter (cm) plus number of tumours", "months without progression gained")
    axes.set_title("Gain ± 2 SE, same patients in both arms", fontsize=TEXT + 0.5, color=INK, loc="left", pad=3)
    lanes = [words[0], words[1], "chosen by burden\nand invasion", "the better one,\nif it were known"]
    colours = [ARM_COLOURS[0], "#8FB8DE", WITHOUT, "#D9D9D9"]
    beside.barh(range(4), found.months, height=0.62, color=colours, linewidth=0)
    for lane, value in enumerate(found.months):
        beside.text(value, lane, f" {value:.1f}", va="center", fontsize=TEXT, color=INK)
    beside.set_xlim(0, 1.18 * max(found.months))
    beside.set_ylim(3.6, -0.6)
    beside.set_yticks([])
    for lane, name in enumerate(lanes):
        beside.text(0.02 * max(found.months), lane, name, va="center", fontsize=TEXT,
                    color="white" if lane in (0, 2) else INK)  # fmt: skip
    sheet.dress(beside, "mean months without progression", "")
    right = f"right in {100 * found.right:.0f} % of {found.clear}" if found.clear else "nobody gains clearly"
    told = f"Choosing: {found.worth:+.1f} ± {2 * found.worth_error:.1f} months; {right}"
    beside.set_title(told, fontsize=TEXT + 0.5, color=INK, loc="left", pad=3)
    told = "portal invasion" + (f" (hollow: fewer than {LEAST} patients)" if hollow else "")
    sheet.key([("no portal invasion", WITHOUT), (told, WITH)])
    return sheet.figure


def _burdens() -> list[str]:
    """Classes of burden in words."""
    from tme_sim.cohort.choice import CUTS

    between = (f"{a:g} to {b:g}" for a, b in zip(CUTS, CUTS[1:], strict=False))
    return [f"below {CUTS[0]:g}", *between, f"from {CUTS[-1]:g}"]


def _among_several(result: Any, found: Any):
    """Which of several arms for whom.

    Left, a row for each burden without and with portal invasion: months that each further arm gains over the first with
    two standard errors (hollow and without them where patients are few), and the arm that does best there, as a square.
    Right, mean months without progression if all are given one arm, if the rule chooses, and if each got the best.
    """
    from matplotlib.transforms import blended_transform_factory

    from tme_sim.cohort.choice import LEAST

    sheet = TrialSheet(result, "choice", 74.0, columns=2, left=36.0, bottom=13.0, top=27.0)
    axes, beside = sheet.axes
    arms, burdens = len(found.arms), _burdens()
    lanes = np.linspace(-0.28, 0.28, arms - 1) if arms > 2 else [0.0]
    edge, hollow, labels = blended_transform_factory(axes.transAxes, axes.transData), False, []
    for row, group in enumerate(found.groups):
        few = group.n < LEAST
        hollow |= few
        labels.append(f"{burdens[group.burden]}{', invaded' if group.invasion else ''}  n = {group.n}")
        for arm, lane in zip(range(1, arms), lanes, strict=True):
            colour = ARM_COLOURS[arm % len(ARM_COLOURS)]
            error = None if few else 2 * group.errors[arm]
            axes.errorbar(group.gains[arm], row + lane, xerr=error, fmt="o", color=colour, ecolor=colour,
                          markersize=3.6, elinewidth=1.0, markerfacecolor="white" if few else colour)  # fmt: skip
        if not few:
            axes.plot([1.05], [row], marker="s", markersize=6, color=ARM_COLOURS[group.best % len(ARM_COLOURS)],
                      transform=edge, clip_on=False)  # fmt: skip
        if row:
            axes.axhline(row - 0.5, color="#E4E4E4", linewidth=0.6)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.text(1.05, -0.55, "best", ha="center", va="bottom", fontsize=TEXT, color=MUTED, transform=edge)
    first = shortened(arm_words(result, found.arms[0]), 24)
    sheet.dress(axes, f"months without progression gained over {first}", "")
    axes.set_title("By burden (cm plus number), ± 2 SE", fontsize=TEXT + 0.5, color=INK, loc="left", pad=3)
    words = [shortened(arm_words(result, arm), 36) for arm in found.arms]
    values = [*found.months, found.ruled, found.known]
    longest = max(values)
    colours = [*(ARM_COLOURS[i % len(ARM_COLOURS)] for i in range(arms)), "#8FB8DE", "#D9D9D9"]
    beside.barh(range(arms + 2), values, height=0.66, color=colours, linewidth=0)
    for lane, (name, value) in enumerate(
        zip([*words, "chosen by burden and invasion", "the best one, if it were known"], values, strict=True)
    ):
        beside.text(value, lane, f" {value:.1f}", va="center", fontsize=TEXT, color=INK)
        beside.text(0.02 * longest, lane, name, va="center", fontsize=TEXT, color="white" if lane < arms else INK)
    beside.set_xlim(0, 1.18 * longest)
    beside.set_ylim(arms + 1.6, -0.6)
    beside.set_yticks([])
    sheet.dress(beside, "mean months without progression", "")
    right = f"right in {100 * found.right:.0f} % of {found.clear}" if found.clear else "nobody gains clearly"
    told = f"Choosing: {found.worth:+.1f} ± {2 * found.worth_error:.1f} months\n{right}"
    beside.set_title(told, fontsize=TEXT + 0.5, color=INK, loc="left", pad=3)
    items = [(word, colour) for word, colour in zip(words, colours, strict=False)]
    if hollow:
        items.append((f"hollow: fewer than {LEAST} patients", "#BFBFBF"))
    sheet.key(items)
    return sheet.figure
