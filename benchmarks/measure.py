"""Clocks, repeats, equal-error interpolation and goals."""

from __future__ import annotations

import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np


@dataclass
class Point:
    """One solver at one tolerance: CPU seconds of every repeat, achieved error, counts of work."""

    rtol: float
    seconds: list[float] = field(default_factory=list)
    error: float = float("nan")
    counts: dict[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def median(self) -> float:
        """Median CPU seconds."""
        return statistics.median(self.seconds) if self.seconds else float("nan")

    @property
    def spread(self) -> tuple[float, float]:
        """Least and most CPU seconds."""
        return (min(self.seconds), max(self.seconds)) if self.seconds else (float("nan"),) * 2

    def record(self) -> dict:
        """For the results file."""
        return asdict(self) | {"median": self.median}


@dataclass(frozen=True)
class Goal:
    """A ratio or a figure with what it must reach and what it aims at; `upward` when more is better."""

    name: str
    ours: str
    peer: str
    value: float
    must: float
    aim: float
    upward: bool = True
    unit: str = "x"

    @property
    def verdict(self) -> str:
        """met, aim met, or not met."""
        if not np.isfinite(self.value):
            return "not measured"
        reached = lambda bar: self.value >= bar if self.upward else self.value <= bar  # noqa: E731
        return "aim met" if reached(self.aim) else "must met" if reached(self.must) else "NOT MET"

    def line(self) -> str:
        """One line of text."""
        relation = "at least" if self.upward else "at most"
        value = f"{self.value:.3g}" if np.isfinite(self.value) else "-"
        return (
            f"{self.name}: ours {self.ours}, peer {self.peer}, "
            f"{'ratio' if self.unit == 'x' else 'value'} {value}{'' if self.unit == 'x' else ' ' + self.unit} "
            f"(must {relation} {self.must:g}, aim {self.aim:g}): {self.verdict}"
        )

    def record(self) -> dict:
        """For the results file."""
        return asdict(self) | {"verdict": self.verdict}


def cpu(work) -> tuple[float, object]:
    """CPU seconds of this process for `work()`, and what it returned."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def front(points) -> tuple[np.ndarray, np.ndarray]:
    """Errors (falling) and costs (rising) of the points that no other point beats in both."""
    usable = sorted((p.error, p.median) for p in points if np.isfinite(p.error) and p.error > 0.0 and p.seconds)
    kept: list[tuple[float, float]] = []
    best = np.inf
    for error, cost in usable:  # from the most accurate: keep what is cheaper than everything more accurate
        if cost < best:
            kept.append((error, cost))
            best = cost
    kept.reverse()
    return np.array([e for e, _ in kept]), np.array([c for _, c in kept])


def cost_at(points, error: float) -> float:
    """CPU seconds for `error`, interpolated on the log-log work-precision front; NaN outside it, never extrapolated."""
    errors, costs = front(points)
    if errors.size == 0 or not errors.min() <= error <= errors.max():
        return float("nan")
    return float(np.exp(np.interp(-np.log(error), -np.log(errors), np.log(costs))))


def equal_error(ours, peer, targets) -> dict[float, tuple[float, float, float]]:
    """For every target error that both reach: (our seconds, peer seconds, peer/ours)."""
    out = {}
    for target in targets:
        a, b = cost_at(ours, target), cost_at(peer, target)
        if np.isfinite(a) and np.isfinite(b):
            out[target] = (a, b, b / a)
    return out


def headline(table: dict[float, tuple[float, float, float]], wanted: float = 1e-4):
    """The entry nearest to `wanted` (on a log scale): (error, ours, peer, ratio), or None."""
    if not table:
        return None
    error = min(table, key=lambda e: (abs(np.log(e / wanted)), e))
    return error, *table[error]


def machine() -> dict:
    """What the figures were taken on: processor, cores, versions."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    versions = {"python": platform.python_version()}
    for package in ("tme-sim", "numpy", "scipy", "numba", "llvmlite", "scikit-sundae", "libroadrunner", "numbalsoda"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return {"processor": name, "cores": cores(), "system": platform.system(), "versions": versions}


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def others_busy(seconds: float = 0.5) -> float:
    """Cores that other processes keep busy, sampled over `seconds`; NaN where the system does not say."""

    def sample():
        fields = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields) - fields[3] - fields[4]

    try:
        tick = os.sysconf("SC_CLK_TCK")
        before, mine = sample(), time.process_time()
        time.sleep(seconds)
        return max(0.0, (sample() - before) / tick - (time.process_time() - mine)) / seconds
    except (OSError, ValueError):
        return float("nan")


def wait_until_quiet(limit: float, allowed: float = 0.15) -> float:
    """Wait up to `limit` seconds until others use fewer than `allowed` cores; returns the last sample."""
    end = time.monotonic() + limit
    busy = others_busy()
    while busy > allowed and time.monotonic() < end:
        time.sleep(1.0)
        busy = others_busy(1.0)
    return busy
