"""Pictures of a piece of tissue: cells, vessels and immune cells over fields, with scale bar, legend and day."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np

from tme_sim.plots.style import COLOURS, DPI, INK, MUTED, TEXT, TITLE, WIDTH_MM, unit_text
from tme_sim.tissue.snapshots import FIELD_UNITS, Snapshot

__all__ = ["FIELDS", "film_frame", "side_by_side", "snapshot_sheet", "write_film"]

PAPER, LIVER = "#FAF8F4", "#E9DED9"
TUMOUR = {
    "cycling": ("#EBC9A8", "cycling"), "quiescent": ("#CFA27E", "quiescent"),
    "cycling_resistant": ("#E39C63", "drug-resistant"), "quiescent_resistant": ("#C77A3E", ""),
    "cycling_unseen": ("#E6A8A0", "antigen-low"), "quiescent_unseen": ("#CE8178", ""),
    "dying": ("#7D1D12", "dying"), "necrotic": ("#B9B6BE", "necrotic"),
}  # fmt: skip
IMMUNE = {
    "CD8": (COLOURS["CD8"], "CD8 effector"), "CD8_exhausted": (COLOURS["CD8_exhausted"], "CD8 exhausted"),
    "CD8_stem": (COLOURS["CD8_stem"], "CD8 stem-like"), "Treg": (COLOURS["Treg"], "Treg"),
    "MDSC": ("#D6409F", "MDSC"), "DC": ("#1B9E8A", "dendritic"),
}  # fmt: skip
OPEN, CLOSED, STILL = "#C1121F", "#111111", "#FFFFFF"
FIELDS = {
    "oxygen": ("oxygen", "oxygen", (0.0, 40.0)),
    "VEGF": ("VEGF, untreated = 1", "vegf", (0.0, 2.0)),
    "AMP": ("AMP, untreated = 1", "amp", (0.0, 2.0)),
    "doxorubicin": ("doxorubicin", "dox", (0.05, 50.0)),
    "antigen": ("antigen, untreated = 1", "antigen", (0.05, 200.0)),
    "DAMP": ("danger signals, untreated = 1", "damp", (0.05, 200.0)),
    "perfusion": ("perfusion, untreated = 1", "perfusion", (0.0, 2.0)),
    "quality": ("vessel quality", "quality", (0.5, 1.0)),
}
RAMPS = {
    "oxygen": ("#2B1B17", "#7A3B12", "#C98A4B", "#D8E6EE", "#7FB8DC", "#2A79B5"),
    "vegf": ("#FFFFFF", "#BFE5D5", "#4DB394", "#00694C", "#00382A"),
    "amp": ("#FFFFFF", "#F0C4D4", "#D56A93", "#8E1F4C", "#4A0A26"),
    "dox": ("#FFFFFF", "#F3E7A6", "#D3B52B", "#8A6F00", "#4A3B00"),
    "antigen": ("#FFFFFF", "#F0E8B8", "#D0B93C", "#94800A", "#4F4300"),
    "damp": ("#FFFFFF", "#D9D9D9", "#A3A3A3", "#5E5E5E", "#1A1A1A"),
    "perfusion": ("#F4F4F2", "#F6E3D7", "#EDBE9F", "#D58A5F", "#9E4F27"),
    "quality": ("#F1E3EA", "#D9A7C0", "#B0628C", "#7B2B5D", "#3E0F33"),
}
LOGARITHMIC = {"doxorubicin": (0.1, 1.0, 10.0), "antigen": (0.1, 1.0, 10.0, 100.0), "DAMP": (0.1, 1.0, 10.0, 100.0)}
"""Ticks of what falls by orders of magnitude between two snapshots."""
ROWS = ("cells", "oxygen", "perfusion", "doxorubicin")
SAME_DAY = 1.0 / 24.0  # days; snapshots are taken at exchanges with the body, an hour apart
LEAST_MARK = 2.6  # points squared, of an immune cell: smaller ones show nothing but their white edge
TITLE_CHAR, KEY_CHAR, KEY_WIDTH = 0.078, 0.044, 0.26  # inches: mean width of a character, of a key without its words
KEY_LINE = 0.17  # inches


def snapshot_sheet(
    snapshots: list[Snapshot], title: str, rows: tuple[str, ...] = ROWS, sessions: Sequence[float] = ()
) -> Any:
    """A matplotlib Figure: one column per snapshot, one row per thing (`cells`, or a key of FIELDS).

    `sessions` are the days of embolisation: a snapshot of the day of a later one is named after it.  A cube is shown by
    its middle section.

    Raises:
        ValueError: a row that is neither.
    """
    from matplotlib.figure import Figure

    for row in rows:
        if row != "cells" and row not in FIELDS:
            from tme_sim.diagnostics import nearest

            known = ("cells", *FIELDS)
            raise ValueError(f'there is no picture of "{row}"{nearest(row, known)}; there are {", ".join(known)}')
    n, m = len(snapshots), len(rows)
    blocks = min(2, m) if n == 1 else 1  # of one snapshot, things stand side by side
    width = WIDTH_MM / 25.4 * (1.0 if n > 2 or blocks > 1 else 0.62)
    left, right, gap, between = 0.14, 0.80 + 0.06 * (blocks - 1), 0.06, 0.06
    side = (width - left - blocks * right) / (n * blocks) - gap * (n - 1) / n
    heading = wrap(title, int((width - 2 * left) / TITLE_CHAR)) or [""]
    keys = _lines(_keys(snapshots), width - 2 * left) if "cells" in rows else []
    high = -(-m // blocks)
    top, bottom = 0.34 + 0.18 * len(heading), 0.28 + KEY_LINE * len(keys) if keys else 0.12
    height = top + bottom + high * side + (high - 1) * between
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    figure.text(left / width, 1 - 0.10 / height, "\n".join(heading), fontsize=TITLE, color=INK, va="top", weight="bold")
    for i, row in enumerate(rows):
        limits = _limits(row, snapshots)
        first = left + i % blocks * (n * side + (n - 1) * gap + right)
        bottom_of = (height - top - (i // blocks + 1) * side - i // blocks * between) / height
        for j, shot in enumerate(snapshots):
            box = ((first + j * (side + gap)) / width, bottom_of, side / width, side / height)
            axes = figure.add_axes(box)
            (_cells if row == "cells" else _field)(axes, shot, *(() if row == "cells" else (row, limits)))
            if i < blocks:
                axes.set_title(_named(shot, sessions), fontsize=TEXT, color=INK, pad=3)
            if j == 0 and i == 0:
                _scale_bar(axes, shot)
        start = (first + n * side + (n - 1) * gap + 0.07) / width
        if row == "cells":
            figure.text(start, bottom_of + side / height, "cells\nand vessels", fontsize=TEXT, color=INK, va="top")
        else:
            tall = 0.62 if row != "perfusion" else 0.45
            _ramp(figure, (start, bottom_of + 0.04 * side / height, 0.07 / width, tall * side / height), row, limits)
            if row == "perfusion":
                beside = (start + 0.40 / width, bottom_of + 0.04 * side / height, 0.07 / width, tall * side / height)
                _ramp(figure, beside, "quality", FIELDS["quality"][2])
                figure.text(start + 0.38 / width, bottom_of + (0.04 + tall + 0.04) * side / height, "quality",
                            fontsize=TEXT, color=INK, va="bottom")  # fmt: skip
            label = FIELDS[row][0] + (f"\n({unit_text(FIELD_UNITS[row])})" if FIELD_UNITS[row] != "1" else "")
            label = label.replace(", untreated = 1", "\n(untreated\nis 1)").replace("vessel quality", "vessel\nquality")
            figure.text(start, bottom_of + side / height, label, fontsize=TEXT, color=INK, va="top")
    _legend(figure, left / width, (bottom - 0.14) / height, keys)
    return figure


def _named(shot: Snapshot, sessions: Sequence[float]) -> str:
    """What a snapshot shows; on the day of a later session that is what this one just left."""
    label = shot.label
    for number, day in enumerate(sorted(sessions), 1):
        if number > 1 and abs(day - shot.day) < SAME_DAY:
            label = f"{label.partition(' after ')[0]}, after TACE {number}"
    return label[:1].upper() + label[1:]


def _middle(shot: Snapshot, name: str) -> np.ndarray:
    array = shot.arrays[name]
    return array[array.shape[0] // 2]


def _lesion(shot: Snapshot) -> np.ndarray:
    """Where the section is no liver."""
    return _middle(shot, "liver") == 0 if "liver" in shot.arrays else np.ones(shot.shape[1:], dtype=bool)


def _limits(row: str, snapshots: list[Snapshot]) -> tuple[float, float]:
    if row == "cells":
        return 0.0, 1.0
    low, high = FIELDS[row][2]
    if row in ("oxygen", "quality", *LOGARITHMIC):
        return low, high
    most = max(float(np.quantile(_middle(s, row)[_lesion(s)], 0.999)) for s in snapshots)
    for step in (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0):
        if most <= step:
            return 0.0, step
    return 0.0, most


def _colours(row: str) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    ramp = RAMPS[FIELDS[row][1]]
    return LinearSegmentedColormap.from_list(row, ramp)


def _norm(row: str, limits: tuple[float, float]) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    return LogNorm(*limits, clip=True) if row in LOGARITHMIC else Normalize(*limits)


def _frame(axes: Any, shot: Snapshot) -> float:
    size = shot.shape[2] * shot.edge
    axes.set_xlim(0, size)
    axes.set_ylim(shot.shape[1] * shot.edge, 0)
    axes.set_xticks([]), axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_linewidth(0.5), spine.set_color(MUTED)
    return size


def _extent(shot: Snapshot) -> tuple[float, float, float, float]:
    return 0, shot.shape[2] * shot.edge, shot.shape[1] * shot.edge, 0


def _cells(axes: Any, shot: Snapshot) -> None:
    from matplotlib.colors import to_rgb

    cell = _middle(shot, "cell")
    image = np.empty((*cell.shape, 3))
    image[...] = to_rgb(PAPER)
    for k, name in enumerate(shot.cell_names):
        if name in TUMOUR:
            image[cell == k] = to_rgb(TUMOUR[name][0])
    if "liver" in shot.arrays:
        image[_middle(shot, "liver") > 0] = to_rgb(LIVER)
    rng = np.random.default_rng(0)
    image *= 1.0 - 0.05 * rng.random((*cell.shape, 1))  # a little grain, so that cells can be told apart
    axes.imshow(image, extent=_extent(shot), interpolation="nearest")
    _frame(axes, shot)
    _vessels(axes, shot)
    _immune(axes, shot)


def _field(axes: Any, shot: Snapshot, row: str, limits: tuple[float, float]) -> None:
    axes.imshow(_middle(shot, row), extent=_extent(shot), cmap=_colours(row), norm=_norm(row, limits),
                interpolation="bilinear")  # fmt: skip
    _frame(axes, shot)
    if row == "perfusion":
        _segments(axes, shot)
    _vessels(axes, shot, small=row != "perfusion", quality=row == "perfusion")


def _dot(axes: Any, shot: Snapshot, of_voxel: float) -> float:
    """Area of a marker (points squared) that is `of_voxel` voxels across."""
    box = axes.get_window_extent()
    points = box.width * 72.0 / axes.figure.dpi / shot.shape[2]
    return max(0.25, (of_voxel * points) ** 2)


def _vessels(axes: Any, shot: Snapshot, small: bool = False, quality: bool = False) -> None:
    """Dots: open red (or coloured by quality), embolised black, without flow white; mature ones larger."""
    vessel, flowing, closed = (_middle(shot, n) for n in ("vessel", "flowing", "occluded"))
    y, x = np.nonzero((vessel > 0) & ~_lesion(shot))
    if y.size and not small and not quality:  # sinusoids, as background
        axes.scatter((x + 0.5) * shot.edge, (y + 0.5) * shot.edge, s=_dot(axes, shot, 0.5), c="#C9A59C", linewidths=0,
                     zorder=2)  # fmt: skip
    vessel = vessel * _lesion(shot)
    for chosen, colour, size in (
        ((vessel > 0) & (flowing == 0) & (closed == 0), STILL, 0.55),
        ((vessel > 0) & (closed > 0), CLOSED, 0.8),
        ((vessel > 0) & (flowing > 0) & (closed == 0), OPEN, 0.8),
    ):
        y, x = np.nonzero(chosen)
        ripe = vessel[y, x] == 2  # mature vessels are drawn larger
        for which, factor in ((~ripe, 0.8), (ripe, 1.15)):
            fill = {"c": colour}
            if quality and colour == OPEN:
                fill = {"c": _middle(shot, "quality")[y[which], x[which]], "cmap": _colours("quality"),
                        "norm": _norm("quality", FIELDS["quality"][2])}  # fmt: skip
            axes.scatter((x[which] + 0.5) * shot.edge, (y[which] + 0.5) * shot.edge, marker="o", linewidths=0.25,
                         s=_dot(axes, shot, size * factor * (0.62 if small else 1.0)),
                         edgecolors="#5A0A12" if colour == OPEN else "#444444", zorder=3, **fill)  # fmt: skip


def _segments(axes: Any, shot: Snapshot) -> None:
    """Segments of a network in the middle section that carry blood; wider by tenfold flow, none across the edges."""
    from matplotlib.collections import LineCollection

    carried, z = np.abs(shot.flux), shot.shape[0] // 2
    if not carried.any():
        return
    off = np.abs(shot.segments[:, 1] - shot.segments[:, 0])
    drawn = (carried > 1e-3 * carried.max()) & (shot.segments[:, :, 0] == z).all(axis=1)
    drawn &= (off[:, 1:] < np.array(shot.shape[1:]) / 2).all(axis=1)
    width = 0.3 + 0.6 * (3.0 + np.log10(carried[drawn] / carried.max()))
    ends = (shot.segments[drawn][:, :, :0:-1] + 0.5) * shot.edge
    axes.add_collection(LineCollection(ends, linewidths=width, colors="#5A0A12", alpha=0.55, zorder=2.5), autolim=False)


def _immune(axes: Any, shot: Snapshot) -> None:
    z = shot.shape[0] // 2
    here = shot.immune[shot.immune[:, 0] == z]
    rng = np.random.default_rng(1)
    shift = 0.25 + 0.5 * rng.random((len(here), 2))  # several may share a voxel
    for name, (colour, _) in IMMUNE.items():
        of = here[:, 3] == shot.immune_names.index(name)
        x, y = ((here[of, 2 - axis] + shift[of, axis]) * shot.edge for axis in range(2))
        size = max(min(LEAST_MARK, _dot(axes, shot, 1.8)), _dot(axes, shot, 0.62))
        axes.scatter(x, y, s=size, marker="^" if name in ("MDSC", "Treg") else "o", c=colour, linewidths=0.15,
                     edgecolors="white", zorder=4)  # fmt: skip


def _scale_bar(axes: Any, shot: Snapshot) -> None:
    size = shot.shape[2] * shot.edge
    length = max(x for x in (50, 100, 200, 500, 1000, 2000, 5000) if x <= max(50, 0.34 * size))
    x, y = 0.07 * size, 0.94 * size
    label = f"{length} µm" if length < 1000 else f"{length // 1000} mm"
    axes.plot([x, x + length], [y, y], color="white", lw=3.4, solid_capstyle="butt", zorder=6)
    axes.plot([x, x + length], [y, y], color=INK, lw=1.8, solid_capstyle="butt", zorder=7)
    text = axes.text(x + length / 2, y - 0.025 * size, label, ha="center", va="bottom", fontsize=TEXT, color=INK,
                     zorder=7)  # fmt: skip
    from matplotlib.patheffects import withStroke

    text.set_path_effects([withStroke(linewidth=1.6, foreground="white")])


def _ramp(figure: Any, box: tuple[float, float, float, float], row: str, limits: tuple[float, float]) -> None:
    axes = figure.add_axes(box)
    axes.imshow(np.linspace(1, 0, 256)[:, None], cmap=_colours(row), aspect="auto", extent=(0, 1, 0, 1))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    low, high = limits
    ticks = LOGARITHMIC.get(row, (low, (low + high) / 2, high))
    norm = _norm(row, limits)
    axes.set_yticks([float(norm(t)) for t in ticks], [f"{t:g}" for t in ticks])
    axes.tick_params(labelsize=TEXT, length=2, width=0.5, colors=INK, pad=1.5)
    for spine in axes.spines.values():
        spine.set_linewidth(0.5), spine.set_color(MUTED)


def _keys(snapshots: list[Snapshot], all_kinds: bool = False) -> list[list[Any]]:
    """Keys in three groups: tumour cells (those that are there, or `all_kinds`), vessels, immune cells."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    there = {n for s in snapshots for k, n in enumerate(s.cell_names) if (s.arrays["cell"] == k).any()}
    cells = [(c, label) for n, (c, label) in TUMOUR.items() if label and (all_kinds or n in there)]
    cells.append((PAPER, "cleared"))
    if any(s.arrays["liver"].any() for s in snapshots if "liver" in s.arrays):
        cells.append((LIVER, "liver"))
    vessels = ((OPEN, "#5A0A12", "vessel, open"), (STILL, "#444444", "without flow"), (CLOSED, "#444444", "embolised"))
    return [
        [Patch(facecolor=c, edgecolor=MUTED, lw=0.3, label=label) for c, label in cells],
        [Line2D([], [], marker="o", ls="", ms=3.6, mfc=c, mec=e, mew=0.4, label=label) for c, e, label in vessels],
        [Line2D([], [], marker="^" if n in ("MDSC", "Treg") else "o", ls="", ms=3.6, mfc=c, mec="white", mew=0.2,
                label=label) for n, (c, label) in IMMUNE.items()],
    ]  # fmt: skip


def _lines(groups: list[list[Any]], room: float) -> list[list[Any]]:
    """Keys line by line, so that a line fits into `room` (inches) and a group is divided only where it has to be."""

    def wide(keys: list[Any]) -> float:
        return sum(KEY_WIDTH + KEY_CHAR * len(key.get_label()) for key in keys)

    out: list[list[Any]] = [[]]
    for group in groups:
        if out[-1] and wide(out[-1] + group) > room:
            out.append([])
        for key in group:
            if out[-1] and wide([*out[-1], key]) > room:
                out.append([])
            out[-1].append(key)
    return out


def _legend(figure: Any, x: float, y: float, lines: list[list[Any]]) -> None:
    """Lines of keys below each other, the first at (x, y)."""
    inches = figure.get_size_inches()[1]
    for i, keys in enumerate(lines):
        figure.legend(handles=keys, loc="upper left", bbox_to_anchor=(x, y - i * KEY_LINE / inches), ncols=len(keys),
                      frameon=False, fontsize=TEXT - 0.3, handlelength=1.0, handletextpad=0.35, columnspacing=0.9,
                      borderpad=0.0, borderaxespad=0.0)  # fmt: skip


def film_frame(shot: Snapshot, title: str, pixels: int = 960) -> Any:
    """One frame of a film as a Pillow image: cells beside oxygen."""
    import io

    from PIL import Image

    figure = side_by_side(shot, title, pixels)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi="figure")
    return Image.open(out).convert("RGB")


def side_by_side(shot: Snapshot, title: str, pixels: int = 1280) -> Any:
    """A matplotlib Figure of one instant: cells left, oxygen right, legend below."""
    from matplotlib.figure import Figure

    width, side, left, top, bottom = 6.4, 2.72, 0.12, 0.42, 0.66
    height = top + side + bottom
    figure = Figure(figsize=(width, height), dpi=pixels / width, facecolor="white")
    title = title if len(title) <= 72 else title[:71] + "…"
    figure.text(left / width, 1 - 0.1 / height, title, fontsize=TITLE - 1, color=INK, va="top", weight="bold")
    figure.text((width - left) / width, 1 - 0.08 / height, f"day {shot.day:.0f}", fontsize=TITLE + 1, color=INK,
                va="top", ha="right", weight="bold")  # fmt: skip
    for i in range(2):
        axes = figure.add_axes(((left + i * (side + left)) / width, bottom / height, side / width, side / height))
        if i == 0:
            _cells(axes, shot)
            _scale_bar(axes, shot)
        else:
            _field(axes, shot, "oxygen", (0.0, 40.0))
    start = (2 * left + 2 * side + 0.1) / width
    _ramp(figure, (start, (bottom + 0.1) / height, 0.09 / width, 0.7 * side / height), "oxygen", (0.0, 40.0))
    figure.text(start, (bottom + side) / height, "oxygen\n(mmHg)", fontsize=TEXT, color=INK, va="top")
    keys = _lines(_keys([shot], all_kinds=True), width - 2 * left)
    _legend(figure, left / width, (bottom - 0.1) / height, keys)
    return figure


def write_film(path: Any, frames: list[Snapshot], title: str, rate: float, announce: Any = None) -> None:
    """Write a film (.gif by Pillow, .mp4 by ffmpeg), `rate` frames a second.

    Raises:
        OSError: the file cannot be written, or ffmpeg failed.
    """
    from pathlib import Path

    from PIL import Image

    from tme_sim.disk import whole

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    images = []
    for i, shot in enumerate(frames):
        images.append(film_frame(shot, title))
        if announce and i % 20 == 19:
            announce(f"{i + 1} of {len(frames)} frames drawn")
    with whole(path) as temporary:
        if path.suffix == ".mp4":
            _by_ffmpeg(temporary, images, rate)
        else:
            palette = _palette()
            small = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
            length = max(20, round(1000.0 / rate))
            small[0].save(temporary, save_all=True, append_images=small[1:], optimize=False, loop=0,
                          duration=[length] * (len(small) - 1) + [max(length, 1500)])  # fmt: skip


def _palette() -> Any:
    """A palette for all frames (no flicker) with every colour that means something: keys, their grain, and ramps."""
    from matplotlib.colors import to_rgb
    from PIL import Image

    keys = [c for c, _ in TUMOUR.values()] + [c for c, _ in IMMUNE.values()] + [PAPER, OPEN, CLOSED, STILL, INK, MUTED]
    colours = [np.array(to_rgb(c)) * shade for c in keys for shade in (1.0, 0.975, 0.95)]
    colours += [np.full(3, g) for g in np.linspace(0, 1, 24)]
    ramp = _colours("oxygen")
    colours += [np.array(ramp(v)[:3]) for v in np.linspace(0, 1, 256 - len(colours))]
    image = Image.new("P", (1, 1))
    image.putpalette([int(round(255 * v)) for c in colours[:256] for v in c])
    return image


def _by_ffmpeg(path: Any, images: list[Any], rate: float) -> None:
    import subprocess

    width, height = (2 * (n // 2) for n in images[0].size)
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
               "-r", f"{rate:g}", "-i", "-", "-pix_fmt", "yuv420p", "-c:v", "libx264",
               "-crf", "20", str(path)]  # fmt: skip
    data = b"".join(image.crop((0, 0, width, height)).tobytes() for image in images)
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ffmpeg failed: {done.stderr.decode(errors='replace').strip()[:200]}")
