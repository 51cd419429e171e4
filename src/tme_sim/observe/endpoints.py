"""Endpoints by the names pinned for all of tme_sim, as columns over patients; a single run is a column of one.

Times are days from day 0.  docs/endpoints.md defines every name.
"""

from __future__ import annotations

import numpy as np

from tme_sim import criteria as k
from tme_sim.observe.reading import Imaging, Visits, read_visits

LANDMARKS = (7, 28, 90, 180, 365, 730)  # days of the *_dN endpoints
BEST = ("cr", "pr", "sd", "pd")
DAY = 1440.0

Columns = dict[str, np.ndarray]


def endpoint_columns(visits: Visits, imaging: Imaging, stop: int, seed: int, patients: np.ndarray) -> tuple[Columns,
                                                                                                            np.ndarray]:
    """Endpoints (each an array over the P patients) that follow from visits and death, and the history of the visits.

    `stop` is the last tick of the run: who has not died by then is censored there, as `visits.death` beyond it says.
    """
    memory, history = read_visits(visits, imaging, seed, patients)
    last = np.where(memory[:, k.VISITS] > 0, memory[:, k.LAST_TICK], 0.0)
    death, died = np.minimum(visits.death, stop), visits.death <= stop
    out: Columns = {}
    for criterion, name in enumerate(k.CRITERIA):
        best = memory[:, k.block(criterion) + k.BEST].astype(np.int64)
        out[f"best_response_{name}"] = np.array(k.RESPONSES, dtype=object)[best]
        out |= {f"{short}_{name}": (best == code).astype(np.int64) for code, short in enumerate(BEST, start=1)}
        out[f"orr_{name}"] = ((best == k.CR) | (best == k.PR)).astype(np.int64)
        out[f"dcr_{name}"] = ((best >= k.CR) & (best <= k.SD)).astype(np.int64)
    at = k.block(k.CRITERIA.index(imaging.criterion))
    called, when = memory[:, at + k.CALLED_TICK] > k.NEVER, memory[:, at + k.PROGRESSION_TICK]
    out["depth"] = memory[:, at + k.DEPTH]
    until = np.where(called, when, np.where(died, death, last))
    answered = memory[:, at + k.RESPONSE_TICK]
    out["dor"] = np.where(answered > k.NEVER, until - answered, 0.0) / DAY
    out |= _timed("ttp", np.where(called, when, last), called)
    out |= _timed("pfs", until, called | died)
    cause = np.where(called, memory[:, at + k.CAUSE], np.where(died, k.DEATH, k.NOTHING)).astype(np.int64)
    out["first_pd"] = np.array(k.CAUSES, dtype=object)[cause]
    failed, tick = memory[:, k.TACE_PFS_TICK] > k.NEVER, memory[:, k.TACE_PFS_TICK]
    out |= _timed("tace_pfs", np.where(failed, tick, np.where(died, death, last)), failed | died)
    ended, tick = memory[:, k.UNTACEABLE_TICK] > k.NEVER, memory[:, k.UNTACEABLE_TICK]
    out |= _timed("untaceable", np.where(ended, tick, last), ended)
    out |= _timed("os", death, died)
    fit = history[:, :, 6] == 1.0
    out["resectable"] = fit.any(axis=1).astype(np.int64)
    first, final = (visits.ticks[at] / DAY for at in (np.argmax(fit, axis=1), -1 - np.argmax(fit[:, ::-1], axis=1)))
    out["resectable_day"] = np.where(fit.any(axis=1), first, np.nan)
    out["resectable_until"] = np.where(fit.any(axis=1), final, np.nan)
    return out, history


def _timed(name: str, ticks: np.ndarray, event: np.ndarray) -> Columns:
    return {name: ticks / DAY, f"{name}_event": event.astype(np.int64)}


def landmark_columns(ticks: np.ndarray, levels: Columns, ratios: Columns) -> Columns:
    """Values at the landmark days that `ticks` (T) hold: `<name>_dN`; `levels`, `ratios` (P, T), ratios over day 0."""
    place = {int(tick): i for i, tick in enumerate(ticks)}
    out: Columns = {}
    for day in LANDMARKS:
        at = place.get(day * int(DAY))
        if at is None:
            continue
        out |= {f"{name}_d{day}": values[:, at] for name, values in levels.items()}
        for name, values in ratios.items():
            start = values[:, place[0]]
            with np.errstate(divide="ignore", invalid="ignore"):
                out[f"{name}_d{day}"] = np.where(start != 0.0, values[:, at] / start, np.nan)
    return out


def crossing_ticks(ticks: np.ndarray, hazard: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Tick (P, fractional) at which a cumulative hazard (P, T) first reaches its threshold (P); infinity if it does
    not.

    Linear between the ticks (T), which lie at most a week apart.
    """
    reached = hazard >= threshold[:, None]
    at = np.argmax(reached, axis=1)
    row = np.arange(len(hazard))
    before = np.maximum(at - 1, 0)
    rise = hazard[row, at] - hazard[row, before]
    share = np.where(rise > 0.0, (threshold - hazard[row, before]) / np.where(rise > 0.0, rise, 1.0), 0.0)
    tick = ticks[before] + share * (ticks[at] - ticks[before])
    return np.where(reached.any(axis=1), tick, np.inf)


def rows_of(columns: Columns) -> list[dict]:
    """Columns as one dictionary of plain numbers and texts per patient."""
    lists = {name: values.tolist() for name, values in columns.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
