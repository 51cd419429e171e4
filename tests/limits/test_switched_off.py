"""Every mechanism can be switched off: the rest composes, its laws stay finite, and the untreated body rests."""

import numpy as np
import pytest

from tme_sim.compiler import baseline
from tme_sim.compiler.emit import layout_of
from tme_sim.compiler.symbolic import build
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import compose
from tme_sim.plain import PlainModel, _Baseline

FOLLOW_THE_TUMOUR = ("AFP", "invasion_hazard", "death_hazard")


@pytest.mark.parametrize("off", [m.name for m in all_mechanisms() if m.name != "tumour"])
def test_without_one_mechanism_everything_else_rests(off):
    network = compose(all_mechanisms(), off=[off])
    model = build(network)
    layout = layout_of(model, baseline.program(model), 1)
    plain = PlainModel(network, layout)
    par = np.array([p.internal for p in network.parameters("body")] + [p.internal for p in network.parameters("lesion")])
    th = plain.prepare(par)
    start = _Baseline(plain, par)
    y = np.array([start.value(f"{s}_start", 0) for w in ("body", "lesion") for s in layout.states[w]])
    u = np.array([start.value(h, 0) for w in ("body", "lesion") for h in layout.held[w]])
    rates = plain.rhs(y, u, th)
    assert np.isfinite(rates).all() and np.isfinite(y).all()
    growth = start.value("growth_rate", 0)
    units = {s.name: s for s in network.species}
    for name, value, rate in zip(layout.labels(layout.states), y, rates, strict=True):
        base = name.split(".")[0]
        if base in FOLLOW_THE_TUMOUR:
            continue
        expected = growth * value if units[base].unit == "cell" else 0.0
        assert rate == pytest.approx(expected, rel=1e-3, abs=1e-9 * max(abs(value), 1e-12)), name
