"""What else loses its blood when vessels are closed or pruned, where they are joined to a network.

    python experiments/vessel_network/study.py            # two minutes on one core

Untreated sections, drawn flow or a network, just after a share of vessels (or feeders with theirs, or only the
vessels that arteries open into) is closed, or vessels are pruned at random or immature ones first.  Nothing grows
meanwhile: what is seen is oxygen at rest with the blood that is left.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tme_sim.plan import plan_of
from tme_sim.quantities import Quantity
from tme_sim.scenario import Scenario
from tme_sim.simulation import set_up
from tme_sim.tissue import network
from tme_sim.tissue.coupling import Coupling, embolise
from tme_sim.tissue.piece import IMMATURE, breathe, carries_blood
from tme_sim.tissue.settings import Tissue

HERE = Path(__file__).resolve().parent
PATIENT = HERE.parents[1] / "configs" / "untreated.toml"
SEEDS, SIZE = range(1, 9), 1.6  # mm
CLOSED, PRUNED = (0.0, 0.3, 0.6, 0.85), (0.3, 0.5)


def piece(made, patient: int, seed: int, **settings) -> Coupling:
    """An untreated section."""
    table = Tissue(size=Quantity(SIZE, "mm"), settle=Quantity(0.0, "day"), **settings)
    return Coupling.untreated(made, table, seed, patient)


def looked(one: Coupling, before: int) -> dict[str, float]:
    """Oxygen at rest, and how many of the vessels that carried blood still do, in per cent."""
    if one.frame.ends is not None:
        network.flood(one.frame, one.state)
    breathe(one.frame, one.state, one.scalars, 1e-3)
    oxygen, there = one.state.local["oxygen"], np.count_nonzero(one.state.vessel)
    open_ = np.count_nonzero(carries_blood(one.state))
    return {"below 2.5 mmHg": 100.0 * float((oxygen < 2.5).mean()),
            "above 12 mmHg": 100.0 * float((oxygen >= 12.0).mean()),
            "carrying blood, of before": 100.0 * open_ / before, "carrying blood, of those left": 100.0 * open_ / there}


def close(one: Coupling, share: float) -> None:
    """Close a share of the vessels of both classes, as a session does."""
    none = {"occluded_core": 0.0, "occluded_rim": 0.0}
    after = dict.fromkeys(none, share)
    embolise(one.frame, one.state, one.scalars, none, after, after | {"depot_slow": 0.0, "depot_fast": 0.0})


def close_arteries(one: Coupling, share: float) -> None:
    """Close only a share of the vessels that arteries open into; at random."""
    inlets = network.nearest(one.frame.ends[0], np.flatnonzero(one.state.vessel), one.frame.shape)
    order = np.argsort(one.frame.draws(one.state.vessel_id[inlets], 0, "tace_response", 0), kind="stable")
    one.state.occluded[inlets[order[: round(share * inlets.size)]]] = True


def prune(one: Coupling, share: float, first: bool) -> None:
    """Take a share of the vessels away at random, or (`first`) immature ones before mature ones."""
    there = np.flatnonzero(one.state.vessel)
    luck = one.frame.draws(one.state.vessel_id[there], 0, "division", 3)
    order = np.argsort(luck - 2.0 * (first & (one.state.vessel[there] == IMMATURE)), kind="stable")
    gone = there[order[: round(share * there.size)]]
    one.state.vessel[gone], one.state.vessel_id[gone], one.state.flowing[gone] = 0, 0, False
    if one.frame.ends is not None:
        network.grow(one.frame, one.state, gone, gone[:0], gone[:0])


def main() -> None:
    """Every case of every seed; means and standard errors go to results.json."""
    plan = plan_of(Scenario.load(PATIENT).changed(["tissue=agents", "run.duration=1 day"]))
    made = set_up(plan)
    cases = [(f"closed {100 * s:g} %, {flow}, {closing}", {"flow": flow, "closing": closing}, close, (s,))
             for flow in ("drawn", "network") for closing in ("vessels", "feeders") for s in CLOSED]
    cases += [(f"arteries closed {100 * s:g} %", {"flow": "network"}, close_arteries, (s,)) for s in CLOSED]
    cases += [(f"pruned {100 * s:g} %, {flow}, {'immature first' if first else 'at random'}", {"flow": flow}, prune,
               (s, first)) for flow in ("drawn", "network") for first in (False, True) for s in PRUNED]  # fmt: skip
    found = {}
    for name, settings, change, how in cases:
        rows = []
        for seed in SEEDS:
            one = piece(made, plan.patient, seed, **settings)
            before = np.count_nonzero(carries_blood(one.state))
            change(one, *how)
            rows.append(looked(one, before))
        values = {n: np.array([row[n] for row in rows]) for n in rows[0]}
        found[name] = {n: {"mean": round(float(v.mean()), 2), "error": round(float(v.std(ddof=1) / v.size**0.5), 2)}
                       for n, v in values.items()}  # fmt: skip
        print(name, {n: (v["mean"], v["error"]) for n, v in found[name].items()}, flush=True)
    told = {"size_mm": SIZE, "seeds": len(SEEDS), "cases": found}
    (HERE / "results.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
