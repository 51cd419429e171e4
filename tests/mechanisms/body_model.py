"""A small network for tests of body-level mechanisms: lesions whose cells only grow, and an integrator around it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.integrate import solve_ivp

from tme_sim.compiler.model import CompiledModel, compile_model
from tme_sim.mechanisms import kinetics, liver, markers
from tme_sim.network import Held, Mechanism, Signal, Species, compose, division
from tme_sim.quantities import Parameter, internal, to_display


def grow(stub_rate):
    """Cells double at a fixed rate."""
    return stub_rate


def same(x):
    """The value itself."""
    return x


def over_density(stub_cells, stub_density):
    """Volume of so many cells."""
    return stub_cells / stub_density


def _number(name, value, unit):
    return Parameter(name=name, value=value, unit=unit, source="made up for tests", grade="assumed", low=0.0, high=1e15)


LESION = Mechanism(
    name="stub",
    text="Stub.",
    parameters=(_number("stub_density", 2e5, "cell/mm^3"),),
    lesion_parameters=(
        _number("stub_rate", 0.0, "1/day"), _number("stub_start", 1e10, "cell"), _number("present", 1.0, "1"),
        _number("extrahepatic", 0.0, "1")),
    species=(
        Species("stub_cells", "cell", "cells", initial="stub_start", scale=1e3),
        Species("VEGF_plasma", "pg/mL", "plasma VEGF", where="body", initial=154.0, scale=1.0),
        Species("MDSC_blood", "cell/mm^3", "suppressor cells in blood", where="body", initial=180.0, scale=1.0),
        Species("Treg_blood", "1", "regulatory T cells in blood", where="body", initial=1.0, scale=0.01),
    ),
    held=(Held("active", "1", "whether the lesion is there", where="lesion", initial="present"),),
    signals=(
        Signal("viable_cells", same, "cell", "viable cells", bind={"x": "stub_cells"}),
        Signal("growth_rate", same, "1/day", "growth rate", bind={"x": "stub_rate"}),
        Signal("lesion_volume", over_density, "mm^3", "volume"),
    ),
    processes=(division("stub_growth", "stub_cells", grow, "growth"),),
)


@lru_cache(maxsize=1)
def body_model() -> CompiledModel:
    """Kinetics, liver and markers around two stub lesions, compiled once."""
    network = compose([LESION, kinetics.MECHANISM, liver.MECHANISM, markers.MECHANISM])
    return compile_model(network, n_lesions=2)


class Body:
    """One patient: parameters by name, states and held inputs that change, time in days."""

    def __init__(self, rtol=1e-9, **values):
        """`values` are internal units by parameter name; a tuple gives one value per lesion."""
        self.model, self.rtol, self.time = body_model(), rtol, 0.0
        par = self.model.defaults()
        for name, value in values.items():
            if isinstance(value, tuple):
                for lesion, each in enumerate(value):
                    par[self.model.index("parameters", name, lesion)] = each
            else:
                par[self.model.index("parameters", name)] = value
        self.par = par
        self.y, self.u, self.th = self.model.start(par)

    def rates(self):
        """Rates of change now."""
        dy = np.empty_like(self.y)
        self.model.rhs(self.y, self.u, self.th, dy)
        return dy

    def __getitem__(self, name):
        """Present value of a state, held input or observable, internal units."""
        for vector, values in (("states", self.y), ("held", self.u)):
            if name in getattr(self.model.layout, vector)["body"]:
                return values[self.model.index(vector, name)]
        out = np.empty(len(self.model.node_names))
        self.model.observe(self.y, self.u, self.th, out)
        return out[self.model.node_names.index(name)]

    def shown(self, name):
        """Present value in the unit that people read."""
        return to_display(self[name], self.model.units[name])

    def set(self, name, value, lesion=0):
        """Set a state or held input (internal units)."""
        for vector, values in (("states", self.y), ("held", self.u)):
            table = getattr(self.model.layout, vector)
            if name in table["body"] + table["lesion"]:
                values[self.model.index(vector, name, lesion)] = value
                return
        raise KeyError(name)

    def apply(self, jump):
        """Apply a jump of :mod:`tme_sim.therapies.dosing`: every row reads the values from before."""
        before = {row.source: self[row.source] for row in jump.rows if row.source}
        after = {}
        for row in jump.rows:
            change = row.constant + (row.coefficient * before[row.source] if row.source else 0.0)
            after[row.target] = after.get(row.target, self[row.target]) + change
        for target, value in after.items():
            self.set(target, value)

    def run(self, days):
        """Integrate for `days`."""
        scales = self.model.tolerances(self.rtol)

        def rhs(_, y):
            dy = np.empty_like(y)
            self.model.rhs(y, self.u, self.th, dy)
            return dy

        def jac(_, y):
            values = np.zeros(len(self.model.layout.rows))
            self.model.jac(y, self.u, self.th, values)
            full = np.zeros((len(y), len(y)))
            full[self.model.layout.rows, self.model.layout.cols] = values
            return full

        solved = solve_ivp(rhs, (0.0, days), self.y, method="Radau", rtol=self.rtol, atol=scales, jac=jac)
        assert solved.success, solved.message
        self.y, self.time = solved.y[:, -1].copy(), self.time + days
        return self

    def give(self, jumps, until):
        """Run to tick `until`, applying `jumps` on the way in the order of the calendar."""
        now = round(self.time * 1440)
        for jump in sorted(jumps, key=lambda j: (j.tick, j.order)):
            if jump.tick > until:
                break
            if jump.tick > now:
                self.run((jump.tick - now) / 1440)
                now = jump.tick
            self.apply(jump)
        if until > now:
            self.run((until - now) / 1440)
        return self


def si(text):
    """Internal value of a typed quantity."""
    return float(internal(text))
