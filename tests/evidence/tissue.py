"""Experiments on agent tissue: oxygen before and after an embolisation, drug around depots, T cells, necrosis of pieces.

Each function gives quantities by name: the mean over pieces first, then one value per piece (another pattern of vessels,
or another patient).  What is held and not simulated is said by each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.evidence.clinic import between
from tests.evidence.world import One, _set_up, cohort, occlusion, plan, share, tace
from tme_sim.mechanisms.killing import motility_lets
from tme_sim.quantities import Quantity
from tme_sim.therapies.session import RABBIT, Session
from tme_sim.therapies.session import occlusion as closed_by
from tme_sim.tissue.coupling import Coupling, embolise
from tme_sim.tissue.course import integrate
from tme_sim.tissue.laws import on_arrays
from tme_sim.tissue.piece import EDGE, breathe, carries_blood, is_viable, view
from tme_sim.tissue.settings import Tissue
from tme_sim.tissue.snapshots import read_snapshot
from tme_sim.tissue.step import step, walk

SECTION, CUBE = ("1.6", 2, 8), ("0.6", 3, 4)  # edge (mm), dimension, number of patterns of vessels
PIECES = 6  # patients with a piece of necrosis
STATES = {"before": None, "short of stasis": "short of stasis", "to stasis": "stasis"}


def piece(size: str, dimension: int = 2, seed: int = 1, **more) -> Coupling:
    """An untreated piece of the default patient as drawn, or as a nodule in liver (`mode`, `diameter`)."""
    lesion = {"diameter": more.pop("diameter")} if "diameter" in more else {}
    tissue = Tissue(size=Quantity(float(size), "mm"), dimension=dimension, settle=Quantity(0.0, "day"), **more)
    one = plan(One(lesion=lesion), 1.0, piece=tissue)
    made = _set_up()(one)
    return Coupling.untreated(made, tissue, seed, one.patient)


def means(measured: Callable[[int], dict[str, float]], number: int) -> dict[str, list[float]]:
    """Mean of every quantity over seeds, then each of them."""
    rows = [measured(seed) for seed in range(1, number + 1)]
    return {name: [float(np.mean([r[name] for r in rows])), *(r[name] for r in rows)] for name in rows[0]}


def close(one: Coupling, end_point: str) -> None:
    """Vessels as they are at once after a session without drug that costs what it costs in rabbits; oxygen follows."""
    session = Session("conventional", lost=RABBIT[end_point].value)
    shares = closed_by(session, one.scalars["core_share"], session.depth)
    after = dict(zip(("occluded_core", "occluded_rim"), shares, strict=True))
    before = dict.fromkeys(after, 0.0)
    embolise(one.frame, one.state, one.scalars, before, after, {**after, "depot_fast": 0.0, "depot_slow": 0.0})
    breathe(one.frame, one.state, one.scalars, 1e-3)


def tissue_oxygen() -> dict[str, list[float]]:
    """Shares of tissue (%) below 10 and 2.5 mmHg before and at once after embolisation, in sections and cubes; median
    oxygen; share of the vessels left open that lie at the rim.  Cells are held as they are."""

    def measured(size: str, dimension: int, seed: int) -> dict[str, float]:
        out, mark = {}, "section" if dimension == 2 else "cube"
        for name, end_point in STATES.items():
            one = piece(size, dimension, seed)
            if end_point is not None:
                close(one, end_point)
            oxygen = one.state.local["oxygen"]
            for edge in (10.0, 2.5):
                out[f"{mark} below {edge:g} {name}"] = 100.0 * float((oxygen < edge).mean())
            out[f"{mark} median {name}"] = float(np.median(oxygen))
            open_ = carries_blood(one.state)
            out[f"{mark} rim {name}"] = 100.0 * np.count_nonzero(open_ & ~one.frame.core) / np.count_nonzero(open_)
        return out

    out = means(lambda seed: measured(*SECTION[:2], seed), SECTION[2])
    return out | means(lambda seed: measured(*CUBE[:2], seed), CUBE[2])


def nodule_oxygen() -> dict[str, list[float]]:
    """Mean oxygen of the liver around an untreated nodule of 1.2 mm, that of the nodule, and their ratio."""

    def measured(seed: int) -> dict[str, float]:
        one = piece("1.8", 2, seed, mode="nodule", diameter=1.2)
        oxygen, liver = one.state.local["oxygen"], one.state.liver
        out = {"liver": float(oxygen[liver].mean()), "tumour": float(oxygen[~liver].mean())}
        return out | {"ratio": out["liver"] / out["tumour"]}

    return means(measured, 6)


def depots() -> dict[str, list[float]]:
    """Doxorubicin (umol/L) at depots of beads after 8 h, 30 d and 105 d, and how far (mm) a tenth of it reaches."""

    def measured(seed: int) -> dict[str, float]:
        tissue = Tissue(size=Quantity(1.0, "mm"), settle=Quantity(0.0, "day"), step=Quantity(60.0, "min"),
                        snapshots=(8.0 / 24.0, 30.0, 105.0), film_every=Quantity(0.0, "day"))  # fmt: skip
        one = plan(One(entries=[tace(technique="beads", drug_load=112.0)]), 105.2, piece=tissue, seed=seed)
        record = integrate(one, _set_up()(one), np.array([0, one.stop]))[-1]
        names = sorted(n for n in record.files if n.startswith("snapshots/"))
        drug = [read_snapshot(record.files[n], n).arrays["doxorubicin"].ravel() for n in names]
        most = drug[0] > 0.8 * drug[0].max()  # at depots
        out = {name: float(d[most].mean()) for name, d in zip(("8 h", "30 d", "105 d"), drug, strict=True)}
        covered = np.count_nonzero(drug[0] > 0.1 * drug[0].max()) * EDGE**2
        return out | {"reach": float(np.sqrt(covered / np.pi / max(1, depot_count(drug[0], tissue.shape))))}

    return means(measured, 1)


def depot_count(drug: np.ndarray, shape: tuple[int, int, int]) -> int:
    """Highest places of a field: one per depot."""
    field = drug.reshape(shape[1:])
    around = [np.roll(field, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    return int(np.count_nonzero((field > 0.3 * field.max()) & np.all([field > a for a in around], axis=0)))


def t_cells() -> dict[str, list[float]]:
    """CD8 cells per volume at places without a tumour cell over those with one, after five days untreated, all pieces
    together: such places are few."""
    cells, places = np.zeros(2), np.zeros(2)
    for seed in range(1, 41):
        one = piece("0.8", 2, seed)
        for _ in range(240):
            step(one.frame, one.state, one.scalars)
        at = one.state.where[one.state.kind < 3]  # effector, exhausted, stem-like
        for i, there in enumerate((one.state.cell == 0, is_viable(one.state))):
            cells[i] += np.count_nonzero(there[at])
            places[i] += np.count_nonzero(there)
    density = cells / places
    return {"stroma over tumour": [float(density[0] / density[1])]}


def stalling() -> dict[str, list[float]]:
    """Places walked in six hours at 2 mmHg, and again at 30 mmHg, over those before at 30 mmHg (CD8 cells)."""

    def measured(seed: int) -> dict[str, float]:
        one = piece("1.0", 2, seed)
        state, moved = one.state, []
        for oxygen in (30.0, 2.0, 30.0):
            state.local["oxygen"][:] = oxygen
            passed, law = 0, (one.scalars["p_mot"], one.scalars["n_mot"])
            state.local["motility"] = on_arrays(motility_lets)(state.local["oxygen"], *law)
            for _ in range(12):
                before = state.where.copy()
                walk(one.frame, state, view(one.frame, state, one.scalars))
                passed += np.count_nonzero((state.where != before) & (state.kind == 0))
                state.step += 1
            moved.append(passed)
        return {"stalled": moved[1] / moved[0], "recovered": moved[2] / moved[0]}

    return means(measured, 4)


def pieces_necrosis() -> dict[str, list[float]]:
    """Necrosis (%) of pieces of 0.5 mm two months after one session: mean and share without a viable cell."""
    out = {}
    for way in ("superselective", "lobar"):
        dead, none = [], []
        people = cohort(0, between(10, 50), lambda rng, way=way: [tace(selectivity=way, lost=occlusion(rng))], n=PIECES)
        tissue = Tissue(size=Quantity(0.5, "mm"), settle=Quantity(2.0, "day"), step=Quantity(60.0, "min"),
                        snapshots=(60.0,), film_every=Quantity(0.0, "day"))  # fmt: skip
        for one in people:
            made_plan = plan(one, 60.0, piece=tissue)
            made = _set_up()(made_plan)
            nodes, record = integrate(made_plan, made, np.array([0, made_plan.stop]))[2::2]
            at = made.model.node_names.index("necrotic_share.1")
            dead.append(100.0 * float(nodes[-1, at]))
            name = max(n for n in record.files if n.startswith("snapshots/"))
            shot = read_snapshot(record.files[name], name)
            none.append(not shot.is_kind("cycling", "quiescent", "cycling_resistant", "quiescent_resistant",
                                         "cycling_unseen", "quiescent_unseen").any())  # fmt: skip
        out |= {f"mean {way}": [float(np.mean(dead)), *dead], f"complete {way}": [share(none)]}
    return out

