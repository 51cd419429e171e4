"""The sheet on which figures of a virtual trial are drawn: question, trial, key and panels."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np

from tme_sim.plots.style import DAYS, DPI, INK, MUTED, TEXT, TITLE, WIDTH_MM, dress_axes, ink

__all__ = [
    "ARM_COLOURS",
    "FIGURES",
    "MONTH",
    "TrialSheet",
    "arm_colour",
    "arm_key",
    "arm_words",
    "counted",
    "key_rows",
    "months_axis",
    "shortened",
]

MM = 25.4
MONTH = DAYS["month"]
ARM_COLOURS = ("#4D4D4D", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255")
LETTER = 1.5  # mm that a letter takes
KEY_LEFT = 4.0  # mm
LINE = 3.6  # mm from one line of a key to the next
FIGURES = {
    "survival": "How long until progression or death, and until death?",
    "waterfall": "How far do tumours shrink?",
    "swimmer": "What happens to single patients?",
    "spider": "How do tumours change from scan to scan?",
    "progression": "How does first progression look?",
    "conversion": "Who could be operated after all, and when?",
    "paired": "What does each patient gain by the other arm?",
    "benefit": "Who benefits, and can it be told at entry?",
    "choice": "Which arm for whom, by tumour burden and portal invasion?",
}


def arm_words(result: Any, arm: str) -> str:
    """Title of an arm."""
    return next((a.title for a in result.trial.arms if a.name == arm), arm)


def arm_colour(result: Any, arm: str) -> str:
    """Colour of an arm; from the ninth on they come again."""
    return ARM_COLOURS[result.arms.index(arm) % len(ARM_COLOURS)]


def arm_key(result: Any) -> list[tuple[str, str]]:
    """Items of a key of the arms."""
    length = 84 if len(result.arms) <= 3 else 38
    return [(shortened(arm_words(result, arm), length), arm_colour(result, arm)) for arm in result.arms]


def key_rows(items: Sequence[tuple[str, str]]) -> list[list[tuple[float, str, str]]]:
    """The lines of a key: where each item begins (mm), its words and its colour."""
    rows: list[list[tuple[float, str, str]]] = [[]]
    x = KEY_LEFT
    for words, colour in items:
        width = 7.0 + LETTER * len(words)
        if rows[-1] and x + width > WIDTH_MM - 2:
            x, rows = KEY_LEFT, [*rows, []]
        rows[-1].append((x, words, colour))
        x += width
    return rows


def counted(patients: int) -> str:
    """A number of virtual patients in words."""
    return f"{patients} virtual patient{'' if patients == 1 else 's'}"


def shortened(text: str, length: int) -> str:
    """Text of at most `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def months_axis(axes: Any, longest: float) -> np.ndarray:
    """Sets round ticks on an axis of months and returns them."""
    step = next((s for s in (1, 2, 3, 6, 12, 24, 60) if longest / s <= 7), 120)
    ticks = np.arange(0, longest + 0.3, step)
    axes.set_xticks(ticks)
    return ticks


class TrialSheet:
    """A figure with question, trial, key and panels; lengths in mm, `heights` of rows as shares of `height`.

    `told` goes to the line about the trial; panels begin below the key if its `items` are given.
    """

    def __init__(
        self,
        result: Any,
        name: str,
        height: float,
        *,
        columns: int = 1,
        rows: int = 1,
        left: float = 15.0,
        bottom: float = 11.0,
        top: float = 23.0,
        heights: Sequence[float] | None = None,
        told: str = "",
        items: Sequence[tuple[str, str]] = (),
    ):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        gap = 18.0
        top += LINE * max(0, len(key_rows(items)) - 2)
        self.height = top + height + bottom + gap * (rows - 1)
        self.figure = Figure(figsize=(WIDTH_MM / MM, self.height / MM), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self.figure)
        self.left = 4.0
        self.text(4.0, self.height - 3.0, FIGURES.get(name, name), fontsize=TITLE, fontweight="bold", va="top")
        failed = len({f["patient"] for f in result.failures})
        lost = f"; {failed} could not be simulated" if failed else ""
        repeats = f", {result.trial.repeats} repeats" if result.trial.repeats > 1 else ""
        title = shortened(result.trial.title or result.trial.name, min(84, 92 - len(told)))
        about = (
            f"{title}: {counted(len(result.follow_up))}"
            f"{repeats}{lost}{told}"
        )
        self.text(4.0, self.height - 8.0, about, color=MUTED, va="top")
        panel = height / rows
        grid = self.figure.add_gridspec(
            rows,
            columns,
            left=left / WIDTH_MM,
            right=1 - 5 / WIDTH_MM,
            top=1 - top / self.height,
            bottom=bottom / self.height,
            wspace=0.22,
            hspace=(gap / panel) if rows > 1 else 0,
            height_ratios=heights,
        )
        self.axes = [self.figure.add_subplot(grid[i // columns, i % columns]) for i in range(rows * columns)]

    def text(self, x: float, y: float, words: str, **style: Any) -> None:
        """Words at a place of the sheet (mm from its lower left corner)."""
        self.figure.text(x / WIDTH_MM, y / self.height, words, **{"fontsize": TEXT, "color": INK, **style})

    def panel(self, axes: Any, words: str, colour: str) -> None:
        """The title of a panel, on two lines at most; lines that stand in it already are kept."""
        letters = int(axes.get_position().width * WIDTH_MM / (LETTER + 0.03))
        lines = [line for given in words.split("\n") for line in wrap(given, letters)]
        if len(lines) > 2:
            lines = [shortened(given, letters) for given in words.split("\n")]
        axes.set_title("\n".join(lines), fontsize=TEXT + 0.5, color=ink(colour), loc="left", pad=3)

    def hide(self, used: int) -> None:
        """Leave the axes beyond those used empty."""
        for axes in self.axes[used:]:
            axes.set_visible(False)

    def dress(self, axes: Any, below: str, beside: str) -> None:
        """Ticks, sides and labels of a panel."""
        dress_axes(axes, below, beside)

    def key(self, items: Sequence[tuple[str, str]], markers: Sequence[str] = (), *, drop: float = 0.0) -> None:
        """What colours and markers mean, above the panels, `drop` mm further down."""
        from matplotlib.lines import Line2D

        given = iter(markers)
        for number, row in enumerate(key_rows(items)):
            y = self.height - 14.5 - drop - LINE * number
            at = (y + 0.8) / self.height
            for x, words, colour in row:
                if markers:
                    line = Line2D(
                        [(x + 1) / WIDTH_MM], [at], marker=next(given), color=colour, markersize=3.4, linestyle=""
                    )
                else:
                    line = Line2D(
                        [x / WIDTH_MM, (x + 3.2) / WIDTH_MM], [at, at], color=colour, linewidth=3, solid_capstyle="butt"
                    )
                self.figure.add_artist(line)
                self.text(x + 4.2, y, words, va="bottom")
