"""A lesion that is told what happens to it: everything the immune mechanisms read is a held input."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.integrate import solve_ivp

from tme_sim.compiler.layout import Layout
from tme_sim.compiler.model import compile_model
from tme_sim.mechanisms import antigen, killing, myeloid, purinergic, tcells
from tme_sim.mechanisms.closure import OXYGEN_CLASSES
from tme_sim.network import Balance, Held, Mechanism, Signal, Species, compose, decay, division
from tme_sim.plain import PlainModel
from tme_sim.quantities import Parameter

IMMUNE = (purinergic.MECHANISM, myeloid.MECHANISM, antigen.MECHANISM, tcells.MECHANISM, killing.MECHANISM)
DENSITY, VOLUME = 1.9e5, 65450.0  # viable cells per mm^3; a lesion of 5 cm
SHARES = (0.05, 0.06, 0.12, 0.27, 0.3, 0.2)
CLONES = {"cycling": 0.686, "quiescent": 0.294, "cycling_resistant": 0.014, "quiescent_resistant": 0.006}
UNTREATED = {
    "necrosis_flux": (500.0, "cell/mm^3/day"), "apoptosis_flux": (1800.0, "cell/mm^3/day"), "hif": (0.35, "1"),
    "viable_density": (DENSITY, "cell/mm^3"), "lesion_volume": (VOLUME, "mm^3"),
    "viable_cells": (DENSITY * VOLUME, "cell"), "perfusion": (1.0, "1"),
    "vessel_quality": (0.5, "1"), "vegf_fold": (1.0, "1"),
    **{f"oxygen_share_{k}": (share, "1") for k, share in enumerate(SHARES)},
}


def regrow(regrowth):
    """Divide as fast as the lesion's T cells kill before treatment."""
    return regrowth


def vanish(stub_clearing):
    """Dying cells are cleared."""
    return stub_clearing


def sum_of(a, b, c, d):
    """All cells that T cells see."""
    return a + b + c + d


STUB = Mechanism(
    name="stub",
    text="Held lesion.",
    parameters=(
        Parameter("rho_cell", 2.06e5, "cell/mm^3", "stub", "assumed", 1e5, 1e6),
        Parameter("stub_clearing", 2.8, "1/day", "stub", "assumed", 1.0, 4.0),
    ),
    lesion_parameters=(Parameter("present", 1.0, "1", "stub", "assumed", 0.0, 1.0),),
    species=(
        *(Species(c, "cell", c, initial=share * DENSITY * VOLUME, scale=1e4) for c, share in CLONES.items()),
        Species("dying", "cell", "dying", initial=0.0, scale=1e4),
    ),
    held=(
        Held("active", "1", "active", where="lesion", initial="present"),
        *(Held(name, unit, name, where="lesion", initial=value) for name, (value, unit) in UNTREATED.items()),
        Held("pd1_engaged", "1", "PD-1 engaged"),
        Held("ctla4_engaged", "1", "CTLA-4 engaged"),
        Held("IL6", "1", "interleukin-6", initial=1.0),
    ),
    signals=(Signal("seen_cells", sum_of, "cell", "seen", bind=dict(zip("abcd", CLONES, strict=True))),),
    processes=(
        *(division(f"regrowing_{c}", c, regrow, "regrowth", bind={"regrowth": f"regrowth_{c}"}) for c in CLONES),
        decay("vanishing", "dying", vanish, "clearing"),
    ),
    balances=tuple(Balance(f"regrowth_{c}", c, "1/day", "regrowth") for c in CLONES),
)
assert len(SHARES) == len(OXYGEN_CLASSES)


@lru_cache(maxsize=1)
def immune_model():
    """The immune mechanisms around one held lesion, compiled once."""
    return compile_model(compose([STUB, *IMMUNE]), 1)


class Patient:
    """One lesion, its immune state and its held inputs; time in days."""

    def __init__(self, **parameters):
        self.model = immune_model()
        par = self.model.defaults()
        for name, value in parameters.items():
            par[self.model.index("parameters", name)] = value
        self.par, self.time = par, 0.0
        self.y, self.u, self.th = self.model.start(par)

    def __getitem__(self, name):
        """Present value of a state, held input or observable, internal units."""
        for vector, values in (("states", self.y), ("held", self.u)):
            table = getattr(self.model.layout, vector)
            if name in table["body"] + table["lesion"]:
                return values[self.model.index(vector, name)]
        out = np.empty(len(self.model.node_names))
        self.model.observe(self.y, self.u, self.th, out)
        return out[self.model.index("nodes", name)]

    def solved(self, name):
        """A value that the baseline solved."""
        return self.th[self.model.index("theta", name)]

    def rates(self):
        """Rates of change of all states, per day."""
        dy = np.empty_like(self.y)
        self.model.rhs(self.y, self.u, self.th, dy)
        return dy

    def hold(self, **values):
        """Set held inputs."""
        for name, value in values.items():
            self.u[self.model.index("held", name)] = value
        return self

    def set(self, **values):
        """Set states."""
        for name, value in values.items():
            self.y[self.model.index("states", name)] = value
        return self

    def run(self, days, every=0.25, watch=()):
        """Integrate; returns times and the values of `watch` (states of body or first lesion)."""
        atol = self.model.tolerances(1e-7)

        def rhs(_, y):
            dy = np.empty_like(y)
            self.model.rhs(y, self.u, self.th, dy)
            return dy

        times = np.arange(0.0, days + 1e-9, every)
        solved = solve_ivp(rhs, (0.0, days), self.y, method="LSODA", rtol=1e-7, atol=atol, t_eval=times)
        assert solved.success, solved.message
        self.y, start = solved.y[:, -1].copy(), self.time
        self.time += days
        return start + solved.t, {w: solved.y[self.model.index("states", w)] for w in watch}


class Instant:
    """The plain reference at the untreated baseline, without compiling: any hypotheses, any number of lesions."""

    def __init__(self, hypotheses=(), n_lesions=1):
        network = compose([STUB, *IMMUNE], hypotheses=dict(hypotheses))
        places = ("body", "lesion")
        where = {s.name: s.where for s in network.species}
        solved = [(f"{name}_start", place) for name, place in where.items()]
        solved += [(b.parameter, where[b.species]) for b in network.balances]
        solved += [(r.name, r.where) for r in network.references]
        self.layout = Layout(
            n_lesions,
            {w: [s.name for s in network.species if s.where == w] for w in places},
            {w: [h.name for h in network.held if h.where == w] for w in places},
            {w: [p.name for p in network.parameters(w)] for w in places},
            {w: [name for name, place in solved if place == w] for w in places},
            {"body": [], "lesion": []},
        )
        self.plain = PlainModel(network, self.layout)
        values = {p.name: p.internal for p in network.parameters()}
        par = np.array([values[name.split(".")[0]] for name in self.layout.labels(self.layout.parameters)])
        self.th = self.plain.prepare(par)
        self.y = self._vector(self.layout.states, lambda name: self.th[self._theta(f"{name}_start")])
        held = {h.name: h.initial for h in network.held}
        self.u = self._vector(self.layout.held, lambda name: 1.0 if name == "active" else held[name])

    def _theta(self, name):
        return self.layout.index(self.layout.theta, name)

    def _vector(self, table, value):
        return np.array([value(label.split(".")[0]) for label in self.layout.labels(table)])

    def __getitem__(self, name):
        return self.plain.observe(self.y, self.u, self.th, name)

    def rates(self):
        """Rates of change of all states, per day."""
        return self.plain.rhs(self.y, self.u, self.th)

    def set(self, **values):
        """Set states or held inputs, in all lesions."""
        for name, value in values.items():
            for table, vector in ((self.layout.states, self.y), (self.layout.held, self.u)):
                for b in range(self.layout.n_lesions):
                    if name in table["body"] + table["lesion"]:
                        vector[self.layout.index(table, name, b)] = value
        return self


def embolise(patient, killed=0.5, over=2.0, then=58.0, watch=(), perfusion=0.44, hif=0.7, vegf=1.6):
    """Necrosis of a share of the lesion within days, then a slow return of perfusion, HIF and VEGF.

    Returns times and watched states.
    """
    lost = killed * DENSITY / over
    patient.hold(necrosis_flux=lost, perfusion=perfusion, hif=hif, vegf_fold=vegf)
    times, values = patient.run(over, watch=watch)
    left = 1 - killed
    for k in range(6):
        back = (k + 0.5) / 6
        patient.hold(
            necrosis_flux=500.0 * left, apoptosis_flux=1800.0 * left, viable_density=DENSITY * left,
            viable_cells=DENSITY * VOLUME * left, perfusion=perfusion + (1 - perfusion) * back,
            hif=hif + (0.35 - hif) * back, vegf_fold=vegf + (1 - vegf) * back,
        )
        more, extra = patient.run(then / 6, watch=watch)
        times = np.concatenate([times, more[1:]])
        values = {w: np.concatenate([values[w], extra[w][1:]]) for w in watch}
    return times, values
