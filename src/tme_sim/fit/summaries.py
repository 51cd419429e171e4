"""Endpoints of a trial from simulated patients, with the uncertainty of parameters, of sampling and of simulation.

A replicate of a trial picks one member of the ensemble, then as many patients per arm as the trial had.  Few patients
are simulated per member, and their own chance must not pass for uncertainty of parameters: a patient of a replicate
comes from the member with a probability that makes members differ as much as they are estimated to differ (one-way
analysis of variance), and from all members otherwise.  All members' patients are themselves resampled, for the error
of having simulated few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tme_sim.definitions import DAYS_PER_MONTH
from tme_sim.priors import generator

__all__ = ["ENDPOINTS", "Table", "between_share", "hazard_ratio", "kept_probability", "median_time", "replicates",
           "share_free", "spans"]  # fmt: skip

LEAST_BETWEEN = 0.05  # share of variance between members that is never gone below
FIRST = ("existing_intrahepatic", "new_intrahepatic", "extrahepatic", "death")
# name -> unit, and whether the trial's criterion applies to it
ENDPOINTS = {
    "pfs_median": ("month", True), "pfs_rate_6": ("1", True), "pfs_rate_12": ("1", True), "pfs_rate_18": ("1", True),
    "pfs_rate_24": ("1", True), "ttp_median": ("month", True), "orr": ("1", True), "cr": ("1", True),
    "os_rate_12": ("1", False), "os_rate_24": ("1", False),
    **{f"first_pd_{name}": ("1", True) for name in FIRST}, "sessions_mean": ("1", False),
}  # fmt: skip


class Table:
    """Rows of an arm as columns: `member` of each row, and endpoints (n); rows that failed are left out.

    Times count from day `entry` of the rows.
    """

    def __init__(
        self, rows: Sequence[Mapping[str, Any]], members: Sequence[int], criterion: str, entry: float = 0.0
    ):
        good = [i for i, row in enumerate(rows) if row["summary"]]
        self.total, self.failed = len(rows), len(rows) - len(good)
        self.member = np.array([members[i] for i in good], dtype=np.int64)
        kept = [rows[i]["summary"] for i in good]
        self.time = {e: np.array([s[e] for s in kept], dtype=np.float64) - entry for e in ("pfs", "ttp", "os")}
        self.event = {e: np.array([s[f"{e}_event"] for s in kept], dtype=bool) for e in ("pfs", "ttp", "os")}
        self.share = {k: np.array([s[f"{k}_{criterion}"] for s in kept], dtype=np.float64) for k in ("orr", "cr")}
        self.first = np.array([s["first_pd"] for s in kept])
        self.sessions = np.array([s["n_tace"] for s in kept], dtype=np.float64)

    def __len__(self) -> int:
        return len(self.member)

    def endpoints(self, at: np.ndarray) -> dict[str, float]:
        """Endpoints of the patients in rows `at`, repeats counted."""
        pfs, seen = self.time["pfs"][at], self.event["pfs"][at]
        death, died = self.time["os"][at], self.event["os"][at]
        out = {f"pfs_rate_{m}": share_free(pfs, seen, m * DAYS_PER_MONTH) for m in (6, 12, 18, 24)}
        out |= {f"os_rate_{m}": share_free(death, died, m * DAYS_PER_MONTH) for m in (12, 24)}
        out["pfs_median"] = median_time(pfs, seen) / DAYS_PER_MONTH
        out["ttp_median"] = median_time(self.time["ttp"][at], self.event["ttp"][at]) / DAYS_PER_MONTH
        out |= {k: float(v[at].mean()) for k, v in self.share.items()}
        out |= {f"first_pd_{name}": float((self.first[at] == name).mean()) for name in FIRST}
        out["sessions_mean"] = float(self.sessions[at].mean())
        return out


def _curve(time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kaplan-Meier: times of events, and the share free of one just after each."""
    days, at = np.unique(time[event], return_inverse=True)
    dead = np.bincount(at, minlength=len(days))
    risk = len(time) - np.searchsorted(np.sort(time), days, side="left")
    return days, np.cumprod(1.0 - dead / risk) if len(days) else np.empty(0)


def share_free(time: np.ndarray, event: np.ndarray, at: float) -> float:
    """Kaplan-Meier share without an event at a time."""
    days, free = _curve(time, event)
    place = int(np.searchsorted(days, at, side="right"))
    return float(free[place - 1]) if place else 1.0


def median_time(time: np.ndarray, event: np.ndarray) -> float:
    """Kaplan-Meier median; infinity if it is not reached."""
    days, free = _curve(time, event)
    reached = np.flatnonzero(free <= 0.5)
    return float(days[reached[0]]) if reached.size else float("inf")


def hazard_ratio(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> float:
    """Hazard ratio of group 1 over 0 by one proportional-hazards coefficient (Newton steps, ties by Breslow); NaN
    without events in a group."""
    if not event[group == 1].any() or not event[group == 0].any():
        return float("nan")
    days, at = np.unique(time[event], return_inverse=True)
    ones, zeros = np.sort(time[group == 1]), np.sort(time[group == 0])
    risk1 = len(ones) - np.searchsorted(ones, days, side="left")
    risk0 = len(zeros) - np.searchsorted(zeros, days, side="left")
    dead = np.bincount(at, minlength=len(days))
    dead1 = np.bincount(at, weights=(group[event] == 1).astype(np.float64), minlength=len(days))
    beta = 0.0
    for _ in range(30):
        share = risk1 * np.exp(beta) / (risk1 * np.exp(beta) + risk0)
        slope, curve = float((dead1 - dead * share).sum()), float((dead * share * (1 - share)).sum())
        if curve <= 0:
            return float("nan")
        step = max(-1.0, min(1.0, slope / curve))
        beta += step
        if abs(step) < 1e-8:
            break
    return float(np.exp(beta))


def between_share(values: np.ndarray, member: np.ndarray) -> float:
    """Share of the variance of a patient's value that lies between members (one-way analysis of variance), 0 to 1."""
    names, at, counts = np.unique(member, return_inverse=True, return_counts=True)
    if len(names) < 2 or len(values) <= len(names) or values.std() == 0:
        return 0.0
    means = np.bincount(at, values) / counts
    within = float(((values - means[at]) ** 2).sum() / (len(values) - len(names)))
    between = float((counts * (means - values.mean()) ** 2).sum() / (len(names) - 1))
    size = (len(values) - (counts**2).sum() / len(values)) / (len(names) - 1)
    more = max(0.0, (between - within) / size)
    return more / (more + within) if more + within > 0 else 0.0


def kept_probability(tables: Sequence[Table]) -> tuple[float, float]:
    """Probability that a patient of a replicate comes from its member, and the share of variance between members behind
    it: the mean over arms of what PFS, survival (both by rank) and response show, never below 5 %."""
    from scipy.stats import rankdata

    found, sizes = [], []
    for table in tables:
        if len(table) < 4:
            continue
        sizes.append(len(table) / len(np.unique(table.member)))
        found += [between_share(rankdata(table.time[e]), table.member) for e in ("pfs", "os")]
        found.append(between_share(table.share["orr"], table.member))
    share = max(LEAST_BETWEEN, float(np.mean(found)) if found else 0.0)
    per = float(np.mean(sizes)) if sizes else 1.0
    return float(np.sqrt(share / (share + (1.0 - share) / per))), share


def replicates(
    tables: Mapping[str, Table], sizes: Mapping[str, int], *, n: int, seed: int, paired: bool = False
) -> tuple[list[dict[str, np.ndarray]], float]:
    """Rows of each arm for `n` replicates, and the share of variance between members that was used.

    `paired`: every arm sees the same patients (rows of the tables must then belong together).
    """
    rng = generator(seed, 41)
    keep, share = kept_probability(list(tables.values()))
    members = np.unique(np.concatenate([t.member for t in tables.values()]))
    out = []
    for _ in range(n):
        member = rng.choice(members)
        one: dict[str, np.ndarray] = {}
        for arm, table in tables.items():
            if paired and one:
                one[arm] = next(iter(one.values()))
                continue
            pool = rng.integers(len(table), size=len(table))
            own = np.flatnonzero(table.member == member)
            at = pool[rng.integers(len(pool), size=sizes[arm])]
            if own.size:
                mine = rng.random(sizes[arm]) < keep
                at = np.where(mine, own[rng.integers(own.size, size=sizes[arm])], at)
            one[arm] = at
        out.append(one)
    return out, share


def spans(values: np.ndarray) -> dict[str, Any]:
    """Median and central 50, 80 and 90 % intervals; what is not reached counts as infinite and stands as null."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not values.size:
        return {"median": None, "ci50": [None, None], "ci80": [None, None], "ci90": [None, None]}
    order = np.sort(values)

    def at(share: float) -> float | None:
        place = round(share * (len(order) - 1), 9)
        low, high = order[int(np.floor(place))], order[int(np.ceil(place))]
        value = low if low == high else 0.5 * (low + high)
        return float(f"{value:.4g}") if np.isfinite(value) else None

    return {"median": at(0.5)} | {f"ci{c}": [at(0.5 - c / 200), at(0.5 + c / 200)] for c in (50, 80, 90)}
