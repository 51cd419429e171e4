"""Small sources for the tests of exports: the toy network, dosed on the first day, at one instant twice, and off the day."""

from __future__ import annotations

from compiler.toy_network import toy

from tme_sim.compiler.model import compile_model
from tme_sim.export.source import TICKS_PER_DAY, Source


def toy_model(n_lesions=1):
    """The compiled toy network."""
    return compile_model(toy(), n_lesions)


def toy_source(model, **more):
    """A dosed toy patient whose lesions grow at different rates."""
    par = model.defaults()
    par[model.index("parameters", "K_grow")] = 0.5
    for lesion in range(model.layout.n_lesions):
        par[model.index("parameters", "rate", lesion)] = 0.01 / (1 + lesion)
    n = len(model.state_names)
    infusion = n + model.index("held", "infusion")
    plasma, awake = model.index("states", "plasma"), model.index("states", "awake")
    dead, guard = model.index("states", "dead"), model.index("states", "guard")
    day = TICKS_PER_DAY
    jumps = (
        (0, [(infusion, -1, 0.0, 0.01), (guard, guard, 0.5, 0.0)]),
        (10 * day, [(infusion, infusion, -1.0, 0.0)]),
        (20 * day, [(awake, awake, -0.3, 0.0), (dead, awake, 0.3, 0.0)]),
        (20 * day, [(dead, dead, -0.5, 0.0), (plasma, -1, 0.0, 0.1)]),
        (30 * day + 77, [(guard, guard, 1.5, 0.0)]),
    )
    return Source.of(model, par, jumps, **{"title": "Toy <of a> tumour & a drug", "days": 60.0, **more})
