"""States of the models in which the two projections are compared: untreated, after embolisation, on drugs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from compiler.toy_network import BODY, TUMOUR

from agreement.population import Environment
from tme_sim.compiler.model import CompiledModel, compile_model
from tme_sim.engine import queue, run
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import Network, compose
from tme_sim.quantities import internal
from tme_sim.therapies.dosing import Row, slot_parameters
from tme_sim.therapies.library import Library
from tme_sim.therapies.session import Session, body_changes, lesion_changes

LESIONS = 2
MADE_UP = {"Vmax": "5 mg/day", "Q": "1 L/day", "Q2": "0.5 L/day"}  # for slots whose drug does without
DRUGS = ("bevacizumab", "lenvatinib", "camrelizumab", "tremelimumab", "fluorouracil", "oxaliplatin")


def shares_of_the_toy(crowd, volume, cells_start):
    """Shares of six oxygen classes, all positive: the more crowded, the more of the last."""
    x = 1 / (6 * (1 + crowd * volume / cells_start))
    return (x, x, x, x, x, 1 - 5 * x)


RIVALS = {"liver.repair": "weeks", "tumour.resorption": "margin", "tace.reach": "drawn"}


@cache
def network(name: str) -> Network:
    """The whole network, the same under hypotheses that add processes, or the toy that has the kinds it does not use."""
    if name == "whole":
        return compose(all_mechanisms())
    if name == "rivals":
        return compose(all_mechanisms(), hypotheses=RIVALS)
    signals = tuple(replace(s, law=shares_of_the_toy) if s.name == "oxygen_share" else s for s in TUMOUR.signals)
    return compose([replace(TUMOUR, signals=signals), BODY])


@cache
def model(name: str) -> CompiledModel:
    """The network compiled."""
    return compile_model(network(name), LESIONS)


def functions(compiled: CompiledModel) -> run.Functions:
    """Functions of the engine for a compiled model."""
    return compiled.functions


def integrate(compiled: CompiledModel, y, u, th, days: float, rtol: float = 1e-6):
    """State after `days` without events."""
    state = run.new_state(y, u, queue.new_queue(4))
    options = run.Options(rtol=rtol, atol=compiled.tolerances(rtol))
    code = run.advance(functions(compiled), state, th, round(days * 1440), options)
    assert code == 0, run.message(state, compiled.state_names)
    return state.y


def change(compiled: CompiledModel, y, u, rows: list[Row], lesion: int = 0):
    """States and held inputs after the affine changes of `rows`, which all read the values from before."""
    layout, before = compiled.layout, (y.copy(), u.copy())
    after = (y.copy(), u.copy())
    for row in rows:
        vector = 0 if row.target in layout.states["body"] + layout.states["lesion"] else 1
        i = layout.index((layout.states, layout.held)[vector], row.target, lesion)
        assert row.source in ("", row.target)
        after[vector][i] += row.constant + (row.coefficient * before[vector][i] if row.source else 0.0)
    return after


def embolised(compiled: CompiledModel, y, u, th):
    """Five days after conventional TACE of the first lesion, when recanalisation has begun."""
    def value(name):
        return th[compiled.index("theta", name)]

    session = Session(selectivity="segmental")
    for delay, rows in lesion_changes(session, value):
        if delay == 0.0:
            y, u = change(compiled, y, u, rows)
            y, u = change(compiled, y, u, body_changes(session, value))
            y = integrate(compiled, y, u, th, 3.0)
        else:
            y, u = change(compiled, y, u, rows)
            y = integrate(compiled, y, u, th, 2.0)
    return y, u


def on_drugs(compiled: CompiledModel):
    """Eight days on six drugs at once, one per slot, in the patient of :func:`embolised`: (y, u, th)."""
    par, library = compiled.defaults(), Library()
    amounts = {}
    for name in DRUGS:
        drug = library.get(name).in_place(amounts)
        for parameter in slot_parameters(drug).values():
            par[compiled.index("parameters", parameter.name)] = parameter.internal
        for flow, value in MADE_UP.items():
            i = compiled.index("parameters", f"{drug.slot}_{flow}")
            par[i] = par[i] or internal(value)
        amounts[drug.slot] = drug.kinetics().CL
    y, u, th = compiled.start(par)
    y, u = embolised(compiled, y, u, th)
    y, u = y.copy(), u.copy()
    for slot, clearance in amounts.items():
        u[compiled.index("held", f"{slot}_on")] = 1.0
        y[compiled.index("states", f"{slot}_central")] = 100.0
        y[compiled.index("states", f"{slot}_clock")] = 30.0
        u[compiled.index("held", f"{slot}_infusion")] = 1e-6 * clearance
        u[compiled.index("held", f"{slot}_intake")] = 4.0
    for slot in ("chemo", "chemo2"):
        u[compiled.index("held", f"{slot}_arterial")] = 400.0
    return integrate(compiled, y, u, th, 3.0), u, th


@cache
def environments(name: str) -> dict[str, Environment]:
    """Environments by name."""
    compiled = model(name)
    par = compiled.defaults()
    if name == "toy":
        par[compiled.index("parameters", "touch")] = 1e-3
        y, u, th = compiled.start(par)
        moved = (y + 1e-3) * np.exp(np.random.default_rng(1).normal(0.0, 0.4, y.size))
        u = u.copy()
        u[compiled.index("held", "infusion")] = 0.02
        return {"at rest": Environment(compiled, y, u, th), "moved": Environment(compiled, moved, u, th)}
    y, u, th = compiled.start(par)
    found = {"untreated": Environment(compiled, y, u, th)}
    found["embolised"] = Environment(compiled, *embolised(compiled, y, u, th), th)
    found["on drugs"] = Environment(compiled, *on_drugs(compiled))
    return found
