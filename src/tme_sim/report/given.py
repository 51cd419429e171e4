"""Parts that the pages of a study and of a trial share: calendars of arms, sources, tables of endpoints, versions."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.definitions import definition_of
from tme_sim.diagnostics import InputError
from tme_sim.plots.style import unit_text
from tme_sim.plots.treatments import colours_of
from tme_sim.report.page import Code, Picture, Prose
from tme_sim.report.words import value_text

__all__ = [
    "calendar_blocks",
    "definition_text",
    "picture_of",
    "scenario_codes",
    "spread_row",
    "text_of",
    "unit_told",
    "warning_blocks",
]

MOST_CALENDARS = 6


def text_of(value: Any, unit: str = "") -> str:
    """A cell: numbers with three digits, "not reached" for infinity, a dash for what has no value."""
    if value is None or value == "":
        return "–"
    if isinstance(value, (int, float, np.number)):
        number = float(value)
        if not np.isfinite(number):
            return "not reached" if number > 0 else "–"
        return value_text(number, unit_told(unit))
    return str(value)


def unit_told(unit: str) -> str:
    """A unit as a table says it; nothing for a plain number, a yes or no, or words."""
    return "" if unit in ("", "1", "text", "0 or 1") else unit_text(unit)


def picture_of(figure: Any, caption: str, alt: str, courses: Sequence[tuple[str, str]] = ()) -> Picture:
    """A matplotlib Figure as a block."""
    import io

    from tme_sim.plots.style import DPI

    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    return Picture(stream.getvalue(), caption, courses, alt)


def calendar_blocks(scenarios: Mapping[str, str], titles: Mapping[str, str]) -> list:
    """The calendar of each arm as a picture and in words; `scenarios` are resolved scenarios as TOML by arm.

    An arm that this installation cannot read (a drug or mechanism of one's own) is told so.
    """
    from tme_sim.protocol.view import calendar_text, draw_calendar
    from tme_sim.scenario import Scenario

    blocks: list = []
    for arm, text in list(scenarios.items())[:MOST_CALENDARS]:
        title = titles.get(arm) or arm
        try:
            scenario = Scenario.from_text(text, f"{arm}.toml")
        except InputError:
            blocks.append(
                Prose(f"{title}: its calendar needs mechanisms or drugs that are not installed here.", "note")
            )
            continue
        told = calendar_text(scenario.calendar)
        if not scenario.calendar.all:
            blocks.append(Prose(f"{title}: nothing is given and nothing is looked at."))
            continue
        with tempfile.TemporaryDirectory(prefix="tme_sim_") as folder:
            png = draw_calendar(
                scenario.calendar, Path(folder) / "calendar.png", title, colours_of(scenario)
            ).read_bytes()
        caption = f"{title}: what is planned for the reference patient. The same in words is folded below."
        blocks += [Picture(png, caption, (), f"Calendar of {title}"), Code(told, f"The calendar of {title} in words")]
    left = len(scenarios) - MOST_CALENDARS
    if left > 0:
        blocks.append(Prose(f"{left} more arms are not drawn; their scenarios stand under How to reproduce.", "note"))
    return blocks


def scenario_codes(scenarios: Mapping[str, str]) -> list[Code]:
    """The resolved scenarios, folded."""
    return [Code(text, f"The resolved scenario of {arm}") for arm, text in scenarios.items()]


def warning_blocks(warnings: Sequence[str], none: str) -> list[Prose]:
    """Warnings as paragraphs, or the sentence `none`."""
    return [Prose(str(w), "warning") for w in warnings] or [Prose(none)]


def definition_text(name: str) -> str:
    """What an endpoint means, as plain text; "" if it is not in the table of definitions."""
    known = definition_of(name)
    if known is None:
        return ""
    return known.text.replace("`", "").replace("day N", f"day {name.rpartition('_d')[2]}")


def spread_row(values: np.ndarray) -> tuple[str, str, str, str]:
    """Count, median, the range of the middle 80 %, and the whole range of some numbers, as text."""
    good = np.asarray(values, dtype=float)
    good = good[np.isfinite(good)]
    if not good.size:
        return "0", "–", "–", "–"
    low, middle, high = (float(v) for v in np.percentile(good, (10, 50, 90)))
    return str(good.size), value_text(middle), _span(low, high), _span(float(good.min()), float(good.max()))


def _span(low: float, high: float) -> str:
    """Two numbers with as many digits as tell them apart, and one where they are the same."""
    if value_text(low) != value_text(high):
        return f"{value_text(low)} to {value_text(high)}"
    for digits in (4, 5, 6):
        ends = [f"{v:.{digits}g}".replace("-", "\N{MINUS SIGN}") for v in (low, high)]
        if ends[0] != ends[1]:
            return " to ".join(ends)
    return value_text(low)
