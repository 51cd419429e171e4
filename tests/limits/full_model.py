"""The whole network, compiled once per test process, and short ways to run it."""

from functools import cache
from types import SimpleNamespace

import numpy as np

from tme_sim.compiler.model import compile_model
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import compose
from tme_sim.plan import Plan
from tme_sim.simulation import run_plan
from tme_sim.therapies.library import Library


@cache
def model(n_lesions=1):
    """Compiled model of all mechanisms."""
    return compile_model(compose(all_mechanisms()), n_lesions)


def tace(day, **changes):
    """A dated embolisation."""
    data = {"technique": "conventional", "selectivity": "superselective", "endpoint": "stasis", "drug": "doxorubicin",
            "drug_load": 50.0, "targets": ()} | changes
    return SimpleNamespace(tick=round(day * TICKS_PER_DAY), order=20, kind="tace", treatment="tace", number=1, data=data)


def dose(name, day, milligrams, minutes=60):
    """A dated dose; `minutes` = 0 is a tablet."""
    route = "intravenous" if minutes else "oral"
    data = {"drug": name, "dose": milligrams, "duration": minutes, "route": route}
    return SimpleNamespace(tick=round(day * TICKS_PER_DAY), order=30, kind="drug", treatment=name, number=1, data=data)


def run(*entries, days=90, lesion=None, every=TICKS_PER_DAY, rtol=1e-6, **plan):
    """Run dated entries on the default patient."""
    library = Library()
    drugs = {}
    for name in dict.fromkeys(e.data["drug"] for e in entries if e.kind == "drug"):
        drug = library.get(name)
        drugs[drug.slot] = (drug, {})
    entries = sorted(entries, key=lambda e: (e.tick, e.order))
    return run_plan(Plan(all_mechanisms(), [lesion or {}], drugs=drugs, entries=entries, stop=round(days * TICKS_PER_DAY),
                         every=every, rtol=rtol, **plan))


def at(outcome, name, day, lesion=None):
    """A series at the saved time nearest to `day`."""
    return float(outcome.series(name, lesion)[np.argmin(np.abs(outcome.time - day))])


def baseline(**values):
    """(model, y, u, th, dy, observables by name) of the untreated default patient with some parameters changed."""
    m = model()
    par = m.defaults()
    for name, value in values.items():
        par[m.index("parameters", name)] = value
    y, u, th = m.start(par)
    dy, out = np.zeros_like(y), np.zeros(len(m.node_names))
    m.rhs(y, u, th, dy)
    m.observe(y, u, th, out)
    return m, y, u, th, dy, {n.removesuffix(".1"): v for n, v in zip(m.node_names, out, strict=True)}
