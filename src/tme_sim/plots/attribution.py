"""What moved a state over a period: bars of processes, and of the arrows that moved those processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tme_sim.plots.files import save_figure
from tme_sim.plots.style import DPI, INK, MUTED, TEXT, TITLE, WIDTH_MM, number_text, unit_text

__all__ = ["attribution_figure", "draw_attribution"]

UP, DOWN, SUM = "#4D4D4D", "#B5B5B5", "#1A1A1A"
TEXT_MM, BAR_MM, RIGHT_MM = 86.0, 74.0, 16.0
ROW_MM, HEAD_MM, FOOT_MM = 4.0, 5.8, 9.0
ROWS, SMALL = 12, 1e-3  # rows of a panel, and the share of everything below which a row is left out
LETTERS = 56  # of a label


def attribution_figure(attribution):
    """A matplotlib Figure of a :class:`tme_sim.analysis.Attribution`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from tme_sim.quantities import to_display

    a, unit = attribution, unit_text(attribution.unit)
    start, end, drift, gross = (float(to_display(v, a.unit)) for v in (a.start, a.end, a.drift, a.gross))
    table, factors = a.to_table(), a.to_factor_table()
    several = len({row["lesion"] for row in table} - {0}) > 1
    rows = [(_label(row, row["what happens"], several), float(row["change"])) for row in table]
    total = ("change", end - start)
    parts = [("Which processes moved it", [*_largest(rows, SMALL * gross), total])]
    if factors:
        sudden = [row for row, found in zip(rows, table, strict=True) if found["process"] in ("calendar", "residual")]
        moved = [
            (_label(row, f"{row['what it is']}: {row['process'].replace('_', ' ')}", several), float(row["change"]))
            for row in factors
        ]
        rows = _largest([("untreated rates alone", drift), *moved, *sudden], SMALL * gross)
        parts.append(("What moved the processes, against their untreated rates (cause: process)", [*rows, total]))
    height = 11.0 + sum(HEAD_MM + ROW_MM * len(rows) + FOOT_MM for _, rows in parts)
    figure = Figure(figsize=(WIDTH_MM / 25.4, height / 25.4), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)

    def text(x: float, y: float, words: str, **style) -> None:
        """Write words at a place in mm from the upper left."""
        figure.text(x / WIDTH_MM, 1 - y / height, words, va="top", **{"color": INK, "fontsize": TEXT, **style})

    where = f", lesion {a.lesion}" if a.lesion else ""
    title = f"What moved {a.label}{where} from day {a.start_day:g} to day {a.end_day:g}?"
    text(4.0, 1.8, title, fontsize=TITLE, fontweight="bold")
    text(4.0, 6.3, f"{number_text(_rounded(start))} to {number_text(_rounded(end))} {unit}".strip(), color=MUTED)
    top = 11.0
    for i, (words, rows) in enumerate(parts):
        text(4.0, top + 0.6, chr(ord("a") + i), fontsize=TITLE, fontweight="bold")
        text(8.0, top + 0.9, words, fontsize=TEXT + 0.5)
        size = ROW_MM * len(rows)
        box = (TEXT_MM / WIDTH_MM, 1 - (top + HEAD_MM + size) / height, BAR_MM / WIDTH_MM, size / height)
        _bars(figure.add_axes(box), rows, unit)
        top += HEAD_MM + size + FOOT_MM
    return figure


def draw_attribution(attribution, out: str | Path) -> Path:
    """Write the figure of an attribution as PNG and return its path."""
    caption = "Changes by process, and by what moved the processes; dark bars raise it, light bars lower it."
    return save_figure(attribution_figure(attribution), out, f"What moved {attribution.label}?", caption)


def _label(row, words: str, several: bool) -> str:
    """A row's label, with its lesion where there are several."""
    where = f", lesion {row['lesion']}" if several and row["lesion"] else ""
    words, room = words.replace("->", "→"), LETTERS - len(where)
    return (words if len(words) <= room else words[: room - 1] + "…") + where


def _largest(rows: Sequence[tuple[str, float]], floor: float) -> list[tuple[str, float]]:
    """The largest rows, and the sum of the others; all of them together add up to what the rows do."""
    ordered = sorted(rows, key=lambda row: -abs(row[1]))
    shown = [row for row in ordered[:ROWS] if abs(row[1]) > floor]
    rest = ordered[len(shown) :]
    others = sum(value for _, value in rest)
    return [*shown, (f"{len(rest)} smaller", others)] if abs(others) > floor else shown


def _bars(axes, rows: Sequence[tuple[str, float]], unit: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    levels = range(len(rows) - 1, -1, -1)
    values = [value for _, value in rows]
    colours = [UP if value >= 0 else DOWN for value in values]
    colours[-1] = SUM
    axes.barh(levels, values, height=0.62, color=colours, linewidth=0)
    axes.axvline(0.0, color=INK, linewidth=0.6)
    axes.axhline(0.5, color=MUTED, linewidth=0.5)
    axes.set_ylim(-0.5, len(rows) - 0.5)
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.02 * (high - low) or 1.0
    axes.set_xlim(low - room, high + room)
    axes.set_yticks(list(levels), [label for label, _ in rows])
    axes.yaxis.get_ticklabels()[-1].set_fontweight("bold")
    for level, value in zip(levels, values, strict=True):
        axes.text(1.02, level, _signed(value), transform=axes.get_yaxis_transform(), fontsize=TEXT, color=INK,
                  va="center_baseline")  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(number_text))
    axes.set_xlabel(f"contribution ({unit})" if unit else "contribution", fontsize=TEXT, color=INK, labelpad=1.5)
    axes.tick_params(labelsize=TEXT, width=0.6, length=2.2, pad=1.5, color=INK, labelcolor=INK)
    axes.tick_params(axis="y", length=0, pad=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_linewidth(0.6)


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + number_text(_rounded(value))


def _rounded(value: float) -> float:
    """Three digits."""
    return float(f"{value:.3g}")
