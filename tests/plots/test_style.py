"""Time axes, numbers and colours: one for a thing everywhere, told apart by every eye."""

import numpy as np
import pytest

from plots.plotted import panels_of
from tme_sim.plots.style import COLOURS, RUN_COLOURS, TimeScale, ink, number_text, power_text


@pytest.mark.parametrize(
    ("start", "stop", "unit"), [(0, 60, "week"), (-21, 100, "week"), (0, 730, "month"), (0, 3650, "month")]
)
def test_time_ticks_are_whole_and_few(start, stop, unit):
    ticks = TimeScale(start, stop, unit).ticks
    assert 3 <= len(ticks) <= 9 and all(t == round(t) for t in ticks)


def test_24_months_end_at_a_tick():
    assert TimeScale(0, 730, "month").ticks[-1] == 24 and TimeScale(0, 60, "week").stop == 60


def test_numbers_on_axes():
    assert [number_text(v) for v in (0, 0.5, -2.5, 1500, 12000)] == ["0", "0.5", "−2.5", "1\u2009500", "12\u2009000"]
    assert [power_text(v) for v in (0.01, 1.0, 10000.0, 1e-3, 2e-5, 1e6)] == [
        "0.01", "1", "10\u2009000", "10⁻³", "2·10⁻⁵", "10⁶",
    ]  # fmt: skip


def test_a_thing_has_one_colour_everywhere(figures):
    strips, treated = {}, {}
    for figure in figures.values():
        for axes in panels_of(figure):
            for patch in axes.patches:
                if (patch.get_gid() or "").startswith(("strip:", "bar:")):
                    strips.setdefault(patch.get_gid().split(":")[1], set()).add(patch.get_facecolor())
            for text in axes.texts:
                treated.setdefault(text.get_text(), set()).add(text.get_color())
    assert set(strips) == {"durvalumab", "bevacizumab"} and all(len(c) == 1 for c in strips.values())
    assert all(len(c) == 1 for c in treated.values()), {k: v for k, v in treated.items() if len(v) > 1}
    assert treated["durvalumab"] == {ink(COLOURS["pd1"])} and treated["bevacizumab"] == {ink(COLOURS["trap"])}


# Machado, Oliveira and Fernandes 2009 (DOI 10.1109/TVCG.2009.113), severity 1
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour, matrix):
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(matrix) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(np.maximum(xyz / [0.9505, 1.0, 1.089], 1e-9))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", ["none", *BLIND])
def test_curves_and_strips_of_a_panel_differ_for_every_eye(figures, blindness):
    matrix = BLIND.get(blindness, np.eye(3))
    for name, figure in figures.items():
        for axes in panels_of(figure):
            curves = {line.get_color() for line in axes.lines if len(line.get_xdata()) > 20}
            strips = {p.get_facecolor() for p in axes.patches if (p.get_gid() or "").startswith("strip:")}
            for group in (sorted(curves), sorted(strips)):
                seen = [lab(c, matrix) for c in group]
                for i, one in enumerate(seen):
                    for other, colour in zip(seen[i + 1 :], group[i + 1 :], strict=True):
                        assert np.linalg.norm(one - other) > 14, (name, blindness, group[i], colour)


def test_text_in_any_colour_can_be_read():
    def contrast(colour):
        return 1.05 / ((lab(colour, np.eye(3))[0] + 16) ** 3 / 116**3 + 0.05)

    for colour in {*COLOURS.values(), *RUN_COLOURS}:
        assert contrast(ink(colour)) >= 4.4, colour
    assert ink("#1A1A1A") == "#1A1A1A"
