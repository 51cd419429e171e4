"""The figure of an attribution."""

import pytest

from plots.plotted import every_text
from tme_sim.analysis import Attribution, Contribution, Factor
from tme_sim.plots import attribution_figure, draw_attribution


def an_attribution(count=3):
    parts = [50.0 * (-0.8) ** i for i in range(count)]
    contributions = tuple(Contribution(f"p{i}", f"process {i}", 1, v, 0.1) for i, v in enumerate(parts))
    factors = tuple(Factor(f"p{i}", 1, "vegf", "arrow", "VEGF -> entry", v - 1.0) for i, v in enumerate(parts))
    end = 300.0 + sum(parts) + 7.0
    return Attribution(
        "MDSC", "suppressor cells", 1, "cell/mm^3", 0.0, 28.0, 300.0, end, contributions, ((14.0, 7.0),), 0.0,
        gross=sum(map(abs, parts)) + 7.0, drift=float(count), factors=factors,
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 3, 30])
def test_bars_of_an_attribution_add_up_to_the_change(count, tmp_path):
    found = an_attribution(count)
    figure = attribution_figure(found)
    assert len(figure.axes) == 2
    for axes in figure.axes:
        widths = [p.get_width() for p in axes.patches]
        assert len(widths) <= 14 and widths[-1] == pytest.approx(found.change)
        assert sum(widths[:-1]) == pytest.approx(found.change, abs=2e-3 * found.gross)
    assert draw_attribution(found, tmp_path / "a.png").stat().st_size > 10_000
    for text, box in every_text(figure):
        assert box.x0 >= 0 and box.x1 <= 1418, text.get_text()
