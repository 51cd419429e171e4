"""Figures as files."""

from __future__ import annotations

import io
from pathlib import Path

from tme_sim.disk import write_file
from tme_sim.plots.style import DPI


def save_figure(figure, path: str | Path, title: str = "", caption: str = "") -> Path:
    """Write a figure as PNG with its title and caption inside; the file appears whole or not at all."""
    stream = io.BytesIO()
    about = {"Title": title, "Description": caption}
    quick = {"compress_level": 2}  # a figure is mostly white: hardly larger so, and sooner written
    figure.savefig(stream, format="png", dpi=DPI, metadata={k: v for k, v in about.items() if v}, pil_kwargs=quick)
    write_file(path, stream.getvalue())
    return Path(path)
