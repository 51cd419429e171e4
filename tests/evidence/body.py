"""Experiments with single patients: vessels, oxygen, VEGF, myeloid cells, liver and blood after one treatment.

Each function gives quantities by name: the default patient's first, then one value per draw of what is not known.
"""

from __future__ import annotations

import numpy as np

from tests.evidence.world import DRAWS, One, doses, draw, drawn, entry, follow, library, single, tace
from tme_sim.therapies import procedures
from tme_sim.therapies.exposure import computed
from tme_sim.therapies.session import END_POINTS, RABBIT, TECHNIQUES, Session, lesion_changes

MINUTES = {"10 min": 10 / 1440, "2 h": 2 / 24}
TUMOUR = ("cycling", "quiescent", "cycling_resistant", "quiescent_resistant", "cycling_unseen", "quiescent_unseen", "dying",
          "necrotic", "debris")  # fmt: skip


def resect(model, y0) -> None:
    """Take the tumour out: no cell of it is left at day 0."""
    for name in TUMOUR:
        for at, state in enumerate(model.state_names):
            if state.split(".")[0] == name:
                y0[at] = 0.0


def over_start(series: np.ndarray) -> np.ndarray:
    """A series (patients, days) over its first day."""
    return series / series[:, :1]


# --- techniques and drugs, without a run -----------------------------------------------------------------------------


def kinetics() -> dict[str, list[float]]:
    """Per drug: the largest deviation from its published figures, in tolerances of the drug file (1: just within)."""
    out = {}
    for name in library().names():
        drug = library().get(name)
        out[name] = [max(abs(computed(drug, row) / row.value.value - 1.0) / row.tolerance for row in drug.published)]
    return out


def emboli() -> dict[str, list[float]]:
    """Vessels lost by an end point (%), and what gelatin and beads still close after days (share of the first)."""
    out = {name: [100.0 * p.value] for name, p in END_POINTS.items()}
    out |= {f"rabbit {name}": [100.0 * p.value] for name, p in RABBIT.items()}
    for name in ("conventional", "beads"):
        rate = TECHNIQUES[name].recanalisation.internal
        lag = next((delay for delay, _ in lesion_changes(Session(name), {"core_share": 0.6, "k_depot_fast": 5.5,
                    "k_depot_slow": 0.068}.__getitem__) if delay > 0.0), 0.0)  # fmt: skip
        for day in (2, 28):
            out[f"{name} day {day}"] = [100.0 * float(np.exp(-rate * max(0.0, day - lag)))]
    return out


# --- after one embolisation ------------------------------------------------------------------------------------------


def embolised(hypotheses=None) -> dict[str, list[float]]:
    """VEGF in serum and plasma, blood cells and IL-6 after one segmental session of each technique."""
    out: dict[str, list[float]] = {}
    days = [0.0, 1.0, 3.0, 4.0, 7.0, 10.0, 28.0, 30.0, 36.0]
    for technique in ("conventional", "beads", "starch"):
        found = single([tace(technique=technique, selectivity="segmental")],
                       ["VEGF_serum", "VEGF_plasma", "MDSC_share", "Treg_share", "IL6", "NLR"], days,
                       hypotheses=hypotheses)  # fmt: skip
        at = days.index
        serum, plasma = over_start(found["VEGF_serum"]), found["VEGF_plasma"]
        out[f"serum 24 h {technique}"] = 100.0 * serum[:, at(1.0)]
        out[f"serum 4 weeks {technique}"] = 100.0 * serum[:, at(28.0)]
        out[f"mdsc day 10 {technique}"] = over_start(found["MDSC_share"])[:, at(10.0)]
        out[f"mdsc day 28 {technique}"] = over_start(found["MDSC_share"])[:, at(28.0)]
        if technique == "conventional":
            sampled = [at(d) for d in (1.0, 3.0, 7.0, 30.0)]
            out["plasma peak"] = np.array([1.0, 3.0, 7.0, 30.0])[np.argmax(plasma[:, sampled], axis=1)]
            out["serum peak"] = np.array([1.0, 3.0, 7.0, 30.0])[np.argmax(serum[:, sampled], axis=1)]
            out["treg day 28"] = over_start(found["Treg_share"])[:, at(28.0)]
            out["serum day 36"] = serum[:, at(36.0)]
            out["nlr day 28"] = over_start(found["NLR"])[:, at(28.0)]
            out["il6 day 4"] = over_start(found["IL6"])[:, at(4.0)]
            out["il6 day 7"] = over_start(found["IL6"])[:, at(7.0)]
    return {name: list(values) for name, values in out.items()}


def mdsc_turnover(hypotheses=None) -> dict[str, list[float]]:
    """Half-life (days) of MDSC in the untreated tumour: they die or differentiate."""
    choices = tuple(sorted((hypotheses or {}).items()))
    rates = [sum(drawn(choices)[name][1] for name in ("k_MDSC_diff", "k_MDSC_death"))]
    rates += [sum(draw(n, choices)[name] for name in ("k_MDSC_diff", "k_MDSC_death")) for n in range(1, DRAWS + 1)]
    return {"half-life": list(np.log(2.0) / np.array(rates))}


def amp(hypotheses=None) -> dict[str, list[float]]:
    """MDSC of the tumour over what they are without the arrows from AMP: a week after a superselective session, and two
    weeks after bland beads that close as much as those short of stasis in rabbits, so that the tumour lives on in hypoxia.
    """
    cut = {"gain_amp_on_mdsc_entry": 0.0, "gain_amp_on_mdsc_differentiation": 0.0}
    alive = tace(technique="bland", drug_load=None, lost=RABBIT["short of stasis"].value)
    out = {}
    for name, given, day in (("day 7", tace(), 7.0), ("alive day 14", alive, 14.0)):
        ratio = [over_start(single([given], ["MDSC"], [0.0, day], values=values, hypotheses=hypotheses)["MDSC"])[:, 1]
                 for values in ({}, cut)]  # fmt: skip
        out[name] = list(ratio[0] / ratio[1])
    return out


def hypoxia() -> dict[str, list[float]]:
    """HIF-1 of the tumour after bland embolisation to stasis, as in rabbits: ratios to the start, and when it is highest."""
    hours = [1 / 24 * h for h in (0, 1, 2, 3, 4, 6, 8, 12, 24)]
    days, lost = sorted({*hours, *MINUTES.values()}), RABBIT["stasis"].value
    found = over_start(single([tace(technique="bland", drug_load=None, lost=lost)], ["HIF1"], days)["HIF1"])
    out = {name: list(found[:, days.index(day)]) for name, day in MINUTES.items()}
    whole = [days.index(h) for h in hours]
    out["peak hour"] = list(24.0 * np.array(hours)[np.argmax(found[:, whole], axis=1)])
    return out


# --- drugs against VEGF ----------------------------------------------------------------------------------------------


def bevacizumab(hypotheses=None) -> dict[str, list[float]]:
    """Plasma VEGF three weeks into bevacizumab 15 mg/kg (70 kg): all of it, and free, over the start."""
    found = single(doses("bevacizumab", 1050.0, 21.0, 22.0), ["VEGF_plasma", "vegf_free_plasma"], [0.0, 7.0, 20.0],
                   hypotheses=hypotheses)  # fmt: skip
    return {"total": list(over_start(found["VEGF_plasma"])[:, 2]), "free": list(over_start(found["vegf_free_plasma"])[:, 2])}


def pruning() -> dict[str, list[float]]:
    """Vessels left (%) after a week of nearly complete block, and a week after its end, in a mouse-like tumour.

    Few mature vessels (0.15), as early mouse tumours have; lenvatinib at ten times its dose for the block.
    """
    found = single(doses("lenvatinib", 120.0, 1.0, 7.0), ["immature_vessels", "mature_vessels"], [0.0, 7.0, 14.0],
                   values={"mature_share": 0.15})  # fmt: skip
    left = 100.0 * over_start(found["immature_vessels"] + found["mature_vessels"])
    return {"lost": list(100.0 - left[:, 1]), "regrown": list(left[:, 2])}


def normalisation(hypotheses=None) -> dict[str, list[float]]:
    """Vessel normalisation under lenvatinib by dose: the best dose, and when the window opens and closes at 12 mg."""
    levels, days = (0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 24.0, 48.0, 96.0, 192.0), list(np.arange(0.0, 42.5, 0.5))
    found = [single(doses("lenvatinib", mg, 1.0, 42.0), ["normalisation", "CD8_total", "oxygen_mean"], days, hypotheses=hypotheses)
             for mg in levels]  # fmt: skip
    peak = np.array([f["normalisation"].max(axis=1) for f in found])
    cells = np.array([f["CD8_total"][:, days.index(14.0)] for f in found])
    course = found[levels.index(12.0)]["normalisation"]
    half = 0.5 * course.max(axis=1, keepdims=True)
    first = np.argmax(course >= half, axis=1)
    top = np.argmax(course, axis=1)
    last = [next((i for i in range(t, len(days)) if row[i] < h), len(days) - 1)
            for row, t, h in zip(course, top, half[:, 0], strict=True)]  # fmt: skip
    return {
        "best dose": list(np.array(levels)[np.argmax(peak, axis=0)]),
        "best dose CD8": list(np.array(levels)[np.argmax(cells, axis=0)]),
        "oxygen": list(over_start(found[levels.index(12.0)]["oxygen_mean"])[:, : days.index(8.0)].max(axis=1)),
        "opens": list(np.array(days)[first]), "closes": list(np.array(days)[last]),
    }  # fmt: skip


# --- blood and liver -------------------------------------------------------------------------------------------------


def resection(hypotheses=None) -> dict[str, list[float]]:
    """A month after the tumour is taken out: MDSC share of blood over its start, and the half-life of AFP (days)."""
    found = single([], ["MDSC_share", "AFP"], [0.0, 5.0, 10.0, 30.0], hypotheses=hypotheses, change=resect,
                   values={"afp_secretion": 1e-4, "afp_background": 0.0})  # fmt: skip
    afp = found["AFP"]
    return {"mdsc": list(over_start(found["MDSC_share"])[:, 3]),
            "afp half-life": list(5.0 / np.log2(afp[:, 1] / afp[:, 2]))}  # fmt: skip


def liver() -> dict[str, list[float]]:
    """Day 3 after a lobar session and radiofrequency of a 30-mm lesion, from albumin 42.5 g/L and bilirubin 22.1 umol/L."""
    heat = entry("ablation", 0.0, technique="radiofrequency", margin=5.0, targets=())
    found = single([tace(selectivity="lobar"), heat], ["bilirubin", "albumin", "child_pugh"], [0.0, 1.0, 3.0, 28.0],
                   lesion={"diameter": 30.0}, values={"albumin_base": 42.5, "bilirubin_base": _bilirubin(22.1)})  # fmt: skip
    start = single([], ["bilirubin", "albumin", "child_pugh"], [0.0], lesion={"diameter": 30.0},
                   values={"albumin_base": 42.5, "bilirubin_base": _bilirubin(22.1)})  # fmt: skip
    points = found["child_pugh"] - start["child_pugh"]
    return {
        "bilirubin": list(found["bilirubin"][:, 2] / start["bilirubin"][:, 0]),
        "albumin": list(found["albumin"][:, 2] / start["albumin"][:, 0]),
        "child-pugh": list(points[:, 2]),
        "child-pugh 4 weeks": list(points[:, 3]),
    }  # fmt: skip


def _bilirubin(micromolar: float) -> float:
    from tme_sim.quantities import internal

    return internal(f"{micromolar} umol/L")


def beads() -> dict[str, list[float]]:
    """Tissue doxorubicin near beads of 112 mg: uM at 8 h, and 30 days later over it."""
    found = follow([One({}, {}, [tace(technique="beads", drug_load=112.0)])], ["doxorubicin"], [0.0, 8 / 24, 30.0])
    level = found["doxorubicin"][0]
    return {"8 h": [level[1]], "30 d": [level[2]]}


def zones() -> dict[str, list[float]]:
    """Lesions that one ablation reaches whole (%): radiofrequency from 10 to 30 mm, microwave from 30 to 50 mm."""
    out = {}
    for name, low, high in (("radiofrequency", 10.0, 30.0), ("microwave", 30.0, 50.0)):
        shares = [procedures.ablated_share(name, d, 5.0) for d in np.arange(low, high + 0.5, 1.0)]
        out[name] = [100.0 * float(np.mean([s >= 1.0 - procedures.SPARED[name].value for s in shares]))]
    return out
