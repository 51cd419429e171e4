"""One style for every figure: sizes, colours by meaning, time axes, tick labels.

Colours extend the palette of Okabe and Ito (https://jfly.uni-koeln.de/color/): one hue per family of things (oxygen sky
blue, hypoxia orange, VEGF green, vessels wine, suppression purple, CD8 blue, tumour vermilion), shades within a family.
A thing has the same colour in every figure; what treats it has the hue of its target.
"""

from __future__ import annotations

import math

from tme_sim.definitions import DAYS_PER_MONTH

__all__ = [
    "COLOURS",
    "DPI",
    "INK",
    "MUTED",
    "RUN_COLOURS",
    "TEXT",
    "TITLE",
    "WIDTH_MM",
    "TimeScale",
    "dress_axes",
    "ink",
    "unit_text",
]

WIDTH_MM = 180.0
DPI = 200
TEXT, TITLE = 7.0, 9.0  # points; nothing in a figure is smaller than TEXT
INK, MUTED, FAINT = "#1A1A1A", "#666666", "#C8C8C8"
LESION_STYLES = ("-", (0, (4.0, 1.4)), (0, (1.2, 1.2)), (0, (5.0, 1.2, 1.2, 1.2)))
RUN_COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A4A00")

COLOURS = {
    # tumour
    "viable": "#D55E00", "dying": "#F3B98F", "necrotic": "#9A9A9A", "whole": "#4D4D4D", "occult": "#0072B2",
    # oxygen, hypoxia
    "oxygen": "#56B4E9", "hypoxic": "#E69F00", "anoxic": "#7A4A00", "HIF1": "#E69F00", "HIF2": "#7A4A00",
    # VEGF and what blocks it
    "VEGF": "#009E73", "VEGF_free": "#00503B", "VEGF_serum": "#8FCFB4",
    "trap": "#009E73", "tki": "#8CC63F", "vegf_blocked": "#00503B",
    # vessels
    "immature": "#DDA0A8", "mature": "#882255", "perfused": "#1A1A1A", "quality": "#882255", "normalisation": "#DDA0A8",
    "open": "#9A9A9A", "perfusion": "#1A1A1A",
    # purinergic chain and suppressor cells
    "ENTPD2": "#1A1A1A", "ATP": "#E69F00", "AMP": "#B8336A", "adenosine": "#3F88A8", "MDSC": "#CC79A7",
    "TAM": "#8E4A77", "Treg": "#5B2A6E",
    # priming, T cells, checkpoint
    "antigen": "#B59A00", "DAMP": "#1A1A1A", "DC": "#7FC8BB", "DC_mature": "#1B6F64",
    "CD8": "#0072B2", "CD8_exhausted": "#8FB8DE", "CD8_stem": "#00304D",
    "PDL1": "#7B61C9", "bonds": "#32206B", "pd1": "#7B61C9", "ctla4": "#B46BD6",
    # chemotherapy and embolisation
    "chemo": "#B59A00", "chemo2": "#7A5C00",
    "doxorubicin": "#B59A00", "tace": "#1A1A1A", "ablation": "#A3123A",
    "sbrt": "#4B3F9E", "radioembolisation": "#2B6A4D", "scan": "#9A9A9A", "other": "#666666",
    # liver and markers
    "albi": "#7A4A00", "albi_reserve": "#D2A679", "IL6": "#B59A00", "NLR": "#1A1A1A", "AFP": "#A84300",
    # fate
    "alive": "#1A1A1A", "invaded": "#882255",
    # response
    "CR": "#009E73", "PR": "#8FD3BF", "SD": "#E4E4E4", "PD": "#F0A37A",
}  # fmt: skip

DAYS = {"week": 7.0, "month": DAYS_PER_MONTH}


class TimeScale:
    """A window of days drawn in weeks or months: `start` and `stop` in days, `unit` "week" or "month"."""

    def __init__(self, start: float, stop: float, unit: str):
        self.start, self.stop, self.unit = start, stop, unit
        self.days = DAYS[unit]
        rounded = round(stop / self.days) * self.days
        if 0.0 < rounded - stop < 0.01 * (stop - start):  # 730 days are 24 months
            self.stop = rounded

    def of(self, day):
        """Axis position of a day (number or array)."""
        return day / self.days

    @property
    def ticks(self) -> list[float]:
        """Round axis positions, at most eight."""
        low, high = self.of(self.start), self.of(self.stop)
        steps = (1, 2, 4, 8, 12, 26, 52) if self.unit == "week" else (1, 2, 3, 6, 12, 24, 60, 120)
        step = next((s for s in steps if (high - low) / s <= 8.01), steps[-1])
        first = math.ceil(low / step - 1e-9)
        return [step * i for i in range(first, math.floor(high / step + 1e-9) + 1)]


def ink(colour: str, contrast: float = 4.5) -> str:
    """The colour, darkened until text in it has the given contrast on white (WCAG 2.1)."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))

    def luminance(c: float) -> float:
        """Linear light of one channel (WCAG 2.1)."""
        return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4

    while True:
        y = 0.2126 * luminance(red) + 0.7152 * luminance(green) + 0.0722 * luminance(blue)
        if 1.05 / (y + 0.05) >= contrast:
            return "#" + "".join(f"{round(255 * c):02X}" for c in (red, green, blue))
        red, green, blue = 0.94 * red, 0.94 * green, 0.94 * blue


def dress_axes(axes, below: str | None, beside: str | None) -> None:
    """Ticks, sides and labels of plain axes: two thin sides, text of one size; a label that is None stays as it is."""
    axes.tick_params(labelsize=TEXT, length=2, width=0.5, color=MUTED, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.5)
        axes.spines[side].set_color(MUTED)
    if below is not None:
        axes.set_xlabel(below, fontsize=TEXT, color=INK, labelpad=2)
    if beside is not None:
        axes.set_ylabel(beside, fontsize=TEXT, color=INK, labelpad=2)


def unit_text(unit: str) -> str:
    """What an axis says about its unit: ``cell/mm^3`` becomes ``cells/mm³``; nothing for a plain number."""
    from tme_sim.quantities import pretty

    text = pretty(unit)
    return text.replace("cell/", "cells/", 1) if text.startswith("cell/") else text


def number_text(value: float, _position: object = None) -> str:
    """A tick label: thousands set off by a thin space, small numbers without trailing zeros."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", "\N{THIN SPACE}").replace("-", "\N{MINUS SIGN}")
    if abs(value) < 1e-3:
        return power_text(value)
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def between_powers(low: float, high: float) -> tuple[float, ...]:
    """Multiples of powers of ten that a logarithmic axis labels: more where it holds few decades, or a single power."""
    powers = math.floor(math.log10(high)) - math.ceil(math.log10(low)) + 1
    return (1.0, 2.0, 5.0) if powers < 2 or math.log10(high / low) < 1.6 else (1.0,)


def power_text(value: float, _position: object = None) -> str:
    """A tick label of a logarithmic axis: plain from 0.01 to 10 000, else a power of ten."""
    if value <= 0 or 0.0099 < value < 10001:
        return number_text(value)
    exponent = math.floor(math.log10(value) + 1e-9)
    factor = value / 10**exponent
    raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if abs(factor - 1) < 1e-6 else f"{factor:.3g}·10{raised}"
