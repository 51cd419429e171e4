"""Captions in words, made from the data of a run.

A line tells where a curve began, its extremes, and where it ended; nothing is said that the numbers do not say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tme_sim.definitions import DAYS_PER_MONTH
from tme_sim.plots.panel import Line, Panel

__all__ = ["captions_of_panels", "course", "day_text", "days_text", "value_text"]

STILL = 0.02  # a curve that stays within this share of its start is said not to move
SWING = 0.1  # a peak or a low is told from this share of the largest value on
NOTHING = 1e-6  # of the largest value: told as 0
PLAIN = ("", "1", "level", "ratio", "score", "0 to 1")  # what needs no unit in a sentence


def value_text(value: float, unit: str = "") -> str:
    """A number with three digits and its unit."""
    value = float(value)
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}".replace(",", "\N{THIN SPACE}")
    else:
        text = f"{value:.2e}"
    return f"{text.replace('-', '−')}{'' if unit in PLAIN else chr(160) + unit}"


def day_text(day: float) -> str:
    """A day as people say it: "day 12", or "month 13.8" from the fourth month on."""
    if day >= 120:
        return f"month {day / DAYS_PER_MONTH:.1f}"
    return "day 0" if abs(day) < 0.05 else f"day {day:.3g}"


def course(time: Sequence[float], values: Sequence[float], unit: str = "") -> str:
    """A curve in words: start, extremes that lie in between, end; "" for one without numbers."""
    time, values = np.asarray(time, dtype=float), np.asarray(values, dtype=float)
    good = np.isfinite(values)
    if not good.any():
        return ""
    time, values = time[good], values[good]
    size = float(np.abs(values).max())
    values = np.where(np.abs(values) <= NOTHING * size, 0.0, values)
    first, last = values[0], values[-1]
    high, low = int(np.argmax(values)), int(np.argmin(values))
    if values[high] - values[low] <= STILL * size:
        return f"stays near {value_text(first, unit)}"
    turns = []
    if values[high] - max(first, last) > SWING * size:
        turns.append((time[high], f"a peak of {value_text(values[high], unit)} on {day_text(time[high])}"))
    if min(first, last) - values[low] > SWING * size:
        turns.append((time[low], f"a low of {value_text(values[low], unit)} on {day_text(time[low])}"))
    turns = [words.replace("on month", "in month") for _, words in sorted(turns)]
    through = f", through {' and '.join(turns)}," if turns else ""
    return f"from {value_text(first, unit)}{through} to {value_text(last, unit)} at the end"


def days_text(days: Sequence[float]) -> str:
    """Dates as people say them: "days 0, 28", or "day 42 to 714 every 21 days" for a train of at least three."""
    days = [float(d) for d in days]
    if len(days) == 1:
        return f"day {days[0]:g}"
    gaps = {round(b - a, 3) for a, b in zip(days, days[1:], strict=False)}
    if len(days) > 2 and len(gaps) == 1:
        gap = gaps.pop()
        return f"day {days[0]:g} to {days[-1]:g}, every {f'{gap:g} days' if gap != 1 else 'day'}"
    return f"days {', '.join(f'{d:g}' for d in days)}"


def captions_of_panels(panels: Sequence[Panel]) -> list[tuple[str, str]]:
    """(what, course) of every curve of the panels, those of one lesion."""
    out = []
    for panel in panels:
        for line in panel.lines:
            words = course(line.time, line.values, panel.unit) if line.label and not line.marker else ""
            if words:
                out.append((_name(panel, line), words))
    return out


def _name(panel: Panel, line: Line) -> str:
    title = panel.title.split(":")[0].split("(")[0].split(",")[0].strip()
    label = line.label.strip()
    return title if len([one for one in panel.lines if one.label]) == 1 else f"{title}: {label}"
