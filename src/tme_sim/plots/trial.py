"""Figures of a virtual trial: survival, best response, courses, progression, paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tme_sim.plots.benefit import benefit_figure
from tme_sim.plots.choice import choice_figure
from tme_sim.plots.conversion import conversion_figure
from tme_sim.plots.style import COLOURS, FAINT, INK, MUTED, TEXT, WIDTH_MM, ink
from tme_sim.plots.trial_sheet import MONTH, TrialSheet, arm_colour, arm_key, arm_words, months_axis, shortened

__all__ = [
    "paired_figure",
    "progression_figure",
    "spider_figure",
    "survival_figure",
    "swimmer_figure",
    "trial_figures",
    "waterfall_figure",
]

MOST_BARS = 200  # of a waterfall
MOST_LANES = 30  # of a swimmer plot
FREE, FAINT_BAR = "#BFD9EA", "#E4E4E4"  # bars of a swimmer plot before and after progression
PATTERN_COLOURS = {
    "existing_intrahepatic": "#D55E00",
    "new_intrahepatic": "#E69F00",
    "extrahepatic": "#7A4A00",
    "death": "#1A1A1A",
    "": "#E4E4E4",
}
PATTERN_WORDS = {
    "existing_intrahepatic": "known liver lesion grew",
    "new_intrahepatic": "new liver lesion or portal invasion",
    "extrahepatic": "outside the liver",
    "death": "death",
    "": "none seen",
}


def trial_figures(result: Any, courses: Mapping[str, Sequence[Mapping[str, Any]]] | None = None) -> dict[str, Any]:
    """matplotlib Figures of a :class:`tme_sim.cohort.TrialResult` by name; a spider plot only with `courses`."""
    out = {
        "survival": survival_figure(result),
        "waterfall": waterfall_figure(result),
        "swimmer": swimmer_figure(result),
        "progression": progression_figure(result),
    }
    conversion = conversion_figure(result)
    if conversion is not None:
        out["conversion"] = conversion
    if courses and any(courses.values()):
        out["spider"] = spider_figure(result, courses)
    if len(result.arms) > 1:
        out["paired"] = paired_figure(result)
        benefit = benefit_figure(result)
        if benefit is not None:
            out["benefit"] = benefit
        choice = choice_figure(result)
        if choice is not None:
            out["choice"] = choice
    return out


def survival_figure(result: Any):
    """Kaplan-Meier curves of progression-free and overall survival with 95 % bands and numbers at risk."""
    from tme_sim.cohort.survival import curve_of

    arms, table = result.arms, 4.2 * len(result.arms)
    sheet = TrialSheet(result, "survival", 72.0 + table, columns=2, bottom=13.0 + table, items=arm_key(result))
    seen = {(arm, endpoint): result.seen(arm, endpoint) for arm in arms for endpoint in ("pfs", "os")}
    longest = max([1.0, *(float(time.max()) / MONTH for time, _ in seen.values())])
    for axes, endpoint, words in zip(
        sheet.axes, ("pfs", "os"), ("Progression-free survival", "Overall survival"), strict=True
    ):
        for arm in arms:
            colour = arm_colour(result, arm)
            time, event = seen[arm, endpoint]
            curve = curve_of(time, event)
            end = float(time.max())
            x = np.concatenate([[0.0], curve.time, [end]]) / MONTH
            y, low, high = (
                np.concatenate([[1.0], values, [values[-1] if len(values) else 1.0]]) * 100
                for values in (curve.share, curve.low, curve.high)
            )
            axes.step(x, y, where="post", color=colour, linewidth=1.2)
            axes.fill_between(x, low, high, step="post", color=colour, alpha=0.13, linewidth=0)
            lost = np.unique(time[~event & (time < end)]) / MONTH
            marks = [100 * curve.at(t * MONTH)[0] for t in lost]
            axes.plot(lost, marks, "|", color=colour, markersize=2.5, markeredgewidth=0.5)
        ticks = months_axis(axes, longest)
        axes.set_xlim(0, longest)
        axes.set_ylim(0, 101)
        axes.axhline(50, color=FAINT, linewidth=0.5, zorder=0)
        sheet.dress(axes, "months", "patients (%)")
        axes.set_title(words, fontsize=TEXT + 0.5, color=INK, loc="left", pad=3)
        _at_risk(sheet, axes, result, endpoint, ticks)
    sheet.key(arm_key(result))
    return sheet.figure


def _at_risk(sheet: TrialSheet, axes: Any, result: Any, endpoint: str, ticks: np.ndarray) -> None:
    from tme_sim.cohort.survival import curve_of

    box = axes.get_position()
    sheet.text(box.x0 * WIDTH_MM, box.y0 * sheet.height - 9.5, "at risk", color=MUTED)
    for row, arm in enumerate(result.arms):
        colour = arm_colour(result, arm)
        counts = curve_of(*result.seen(arm, endpoint)).at_risk(ticks * MONTH)
        y = box.y0 * sheet.height - 13.0 - 4.0 * row
        span = axes.get_xlim()
        for tick, count in zip(ticks, counts, strict=True):
            x = (box.x0 + box.width * (tick - span[0]) / (span[1] - span[0])) * WIDTH_MM
            sheet.text(x, y, str(count), color=ink(colour), ha="center")


def waterfall_figure(result: Any):
    """Best change of the sum of target diameters, patient by patient, coloured by best response: as simulated up to
    progression, since rows do not date them.  How many patients were followed for less in some arm is told."""
    criterion = result.trial.arms[0].scenario.imaging.criterion
    less = np.any([result.follow_up < result.since_entry(arm, "pfs") for arm in result.arms], axis=0).sum()
    told = f"; as simulated, {less} followed for less" if less else ""
    told += f"; {MOST_BARS} drawn" if len(result.follow_up) > MOST_BARS else ""
    sheet = TrialSheet(
        result,
        "waterfall",
        42.0 * _rows(len(result.arms)),
        columns=min(2, len(result.arms)),
        rows=_rows(len(result.arms)),
        told=told,
    )
    for axes, arm in zip(sheet.axes, result.arms, strict=False):
        depth = 100 * np.nan_to_num(result.column(arm, "depth").astype(float))  # no scan after baseline: no change
        best = result.column(arm, f"best_response_{criterion}").astype(str)
        order = np.argsort(-depth, kind="stable")
        if len(order) > MOST_BARS:
            order = order[np.linspace(0, len(order) - 1, MOST_BARS).round().astype(int)]
        colours = [COLOURS.get(best[i], FAINT) for i in order]
        axes.bar(np.arange(len(order)), np.clip(depth[order], -100, 60), width=1.0, color=colours, linewidth=0)
        for level in (20, -30):
            axes.axhline(level, color=MUTED, linewidth=0.5, linestyle=(0, (3, 2)))
        axes.axhline(0, color=INK, linewidth=0.5)
        axes.set_ylim(-103, 63)
        axes.set_yticks(*_cut([-100, -60, -30, 0, 20, 60]))
        axes.set_xticks([])
        sheet.dress(axes, "", "best change (%)")
        sheet.panel(axes, arm_words(result, arm), arm_colour(result, arm))
    sheet.hide(len(result.arms))
    sheet.key([(name, COLOURS[name]) for name in ("CR", "PR", "SD", "PD")])
    return sheet.figure


def swimmer_figure(result: Any):
    """Courses of the same patients in every arm, as the trial saw them: time to death or until each was last followed,
    with response, progression and death."""
    count, everybody = min(MOST_LANES, len(result.follow_up)), len(result.follow_up)
    rows = -(-len(result.arms) // 3)
    told = f"; the first {count} are drawn" if count < everybody else ""
    sheet = TrialSheet(
        result, "swimmer", (12.0 + 2.6 * count) * rows, columns=min(3, len(result.arms)), rows=rows, left=6.0, told=told
    )
    order = np.argsort(-result.seen(result.arms[0], "os")[0][:count], kind="stable")
    longest = max(float(result.seen(arm, "os")[0][:count].max()) for arm in result.arms)
    own = result.trial.arms[0].scenario.imaging.criterion
    for axes, arm in zip(sheet.axes, result.arms, strict=False):
        end, died = result.seen(arm, "os")
        until, progressed = result.seen(arm, "ttp")
        until = np.where(progressed, until, end)
        response = result.since_entry(arm, "pfs") - result.column(arm, "dor").astype(float)
        responded = result.responded(arm, f"orr_{own}")
        for lane, i in enumerate(order):
            axes.barh(lane, until[i] / MONTH, height=0.72, color=FREE, linewidth=0)
            if progressed[i]:
                left, width = until[i] / MONTH, (end[i] - until[i]) / MONTH
                axes.barh(lane, width, left=left, height=0.72, color=FAINT_BAR, linewidth=0)
                axes.plot(left, lane, "D", color=COLOURS["viable"], markersize=2.4)
            if responded[i]:
                axes.plot(response[i] / MONTH, lane, "o", color=ink(COLOURS["CR"], 3), markersize=2.6)
            if died[i]:
                axes.plot(end[i] / MONTH, lane, "x", color=INK, markersize=3.2, markeredgewidth=0.9)
            else:
                axes.plot(end[i] / MONTH, lane, ">", color=MUTED, markersize=2.6)
        axes.set_ylim(count - 0.3, -0.7)
        axes.set_yticks([])
        months_axis(axes, longest / MONTH)
        axes.set_xlim(0, 1.04 * longest / MONTH)
        sheet.dress(axes, "months", "")
        sheet.panel(axes, arm_words(result, arm), arm_colour(result, arm))
    sheet.hide(len(result.arms))
    marks = [
        ("no progression yet", FREE, "s"),
        ("after it", FAINT_BAR, "s"),
        ("first response", ink(COLOURS["CR"], 3), "o"),
        ("progression", COLOURS["viable"], "D"),
        ("death", INK, "x"),
        ("alive when last followed", MUTED, ">"),
    ]
    sheet.key([(w, c) for w, c, _ in marks], [m for _, _, m in marks])
    return sheet.figure


def spider_figure(result: Any, courses: Mapping[str, Sequence[Mapping[str, Any]]]):
    """Change of the sum of target diameters over time, one line per patient."""
    arms = [arm for arm in result.arms if courses.get(arm)]
    follows = any(one.after for one in result.trial.arms)
    told = "; lines go on after progression" if follows else ""
    sheet = TrialSheet(
        result, "spider", 44.0 * _rows(len(arms)), columns=min(2, len(arms)), rows=_rows(len(arms)), told=told
    )
    for axes, arm in zip(sheet.axes, arms, strict=False):
        for course in courses[arm]:
            days, change = np.array(course["days"]), 100 * np.array(course["change"])
            lowest = change.min()
            colour = COLOURS["CR"] if lowest <= -99.5 else "#5FAF95" if lowest <= -30 else "#9A9A9A"
            colour = COLOURS["viable"] if change[1:].min() >= 0 else colour
            axes.plot(days / MONTH, np.clip(change, -100, 100), color=colour, linewidth=0.7, alpha=0.85)
        for level in (20, -30):
            axes.axhline(level, color=MUTED, linewidth=0.5, linestyle=(0, (3, 2)))
        axes.axhline(0, color=INK, linewidth=0.5)
        axes.set_ylim(-104, 104)
        axes.set_yticks(*_cut([-100, -30, 0, 20, 100]))
        months_axis(axes, max(c["days"][-1] for c in courses[arm]) / MONTH)
        sheet.dress(axes, "months", "change (%)")
        sheet.panel(axes, f"{arm_words(result, arm)} ({len(courses[arm])} patients)", arm_colour(result, arm))
    sheet.hide(len(arms))
    sheet.key(
        [
            ("no longer seen", COLOURS["CR"]),
            ("shrinks by 30 %", "#5FAF95"),
            ("shrinks less", "#9A9A9A"),
            ("never below baseline", COLOURS["viable"]),
        ]
    )
    return sheet.figure


def progression_figure(result: Any):
    """What first progression was, as a share of all patients, arm by arm."""
    sheet = TrialSheet(result, "progression", 9.0 + 9.0 * len(result.arms), left=52.0)
    axes = sheet.axes[0]
    for lane, arm in enumerate(result.arms):
        kinds = np.where(result.seen(arm, "pfs")[1], result.column(arm, "first_pd").astype(str), "")
        begin = 0.0
        for kind, colour in PATTERN_COLOURS.items():
            share = 100 * float(np.mean(kinds == kind))
            axes.barh(lane, share, left=begin, height=0.62, color=colour, linewidth=0)
            if share >= 6:
                light = kind in ("extrahepatic", "death")
                axes.text(
                    begin + share / 2,
                    lane,
                    f"{share:.0f}",
                    ha="center",
                    va="center_baseline",
                    fontsize=TEXT,
                    color="white" if light else INK,
                )
            begin += share
    axes.set_ylim(len(result.arms) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_yticks(range(len(result.arms)), [shortened(arm_words(result, arm), 34) for arm in result.arms])
    sheet.dress(axes, "patients (%)", "")
    sheet.key([(PATTERN_WORDS[kind], colour) for kind, colour in PATTERN_COLOURS.items()])
    return sheet.figure


def paired_figure(result: Any):
    """Months of progression-free survival that each patient gains or loses by the other arm, in order of size."""
    from tme_sim.cohort.summary import pairs

    found = pairs(result.arms)
    sheet = TrialSheet(result, "paired", 46.0 * _rows(len(found)), columns=min(2, len(found)), rows=_rows(len(found)))
    for axes, (first, second) in zip(sheet.axes, found, strict=False):
        gain = np.sort(result.gains(first, second))[::-1] / MONTH
        x = (np.arange(len(gain)) + 0.5) * 100 / len(gain)
        better, worse = gain > 0.25, gain < -0.25
        for who, colour in ((better, COLOURS["CR"]), (worse, COLOURS["viable"])):
            axes.bar(x[who], gain[who], width=100 / len(gain), color=colour, linewidth=0)
        axes.axhline(0, color=INK, linewidth=0.5)
        mean = float(gain.mean())
        axes.axhline(mean, color=MUTED, linewidth=0.6, linestyle=(0, (3, 2)))
        axes.set_xlim(0, 100)
        axes.margins(y=0.12)
        low, high = axes.get_ylim()
        axes.set_ylim(low, max(high, 0.22 * (high - low)))  # the words stand above bars that all go down
        words = f"gain {100 * better.mean():.0f} %, lose {100 * worse.mean():.0f} %; mean {mean:+.1f} months"
        axes.text(
            0.98,
            0.95,
            words.replace("-", "\N{MINUS SIGN}"),
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=TEXT,
            color=INK,
        )
        sheet.dress(axes, "patients, in order (%)", "months gained")
        sheet.panel(axes, f"{arm_words(result, second)}\nover {arm_words(result, first)}", INK)
    sheet.hide(len(found))
    sheet.key([("longer without progression", COLOURS["CR"]), ("shorter", COLOURS["viable"])])
    return sheet.figure


def _cut(levels: Sequence[int]) -> tuple[Sequence[int], list[str]]:
    """Ticks of an axis that draws everything above its last tick at that tick."""
    words = [f"{level}".replace("-", "\N{MINUS SIGN}") for level in levels]
    return levels, [*words[:-1], f"≥ {words[-1]}"]


def _rows(count: int) -> int:
    return math.ceil(count / 2)
