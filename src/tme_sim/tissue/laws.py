"""The mechanisms' laws evaluated at every voxel or individual at once.

Nothing is written a second time: processes come from the generated per-actor functions, signals from the law functions
of the mechanisms.  Both are rebound so that their elementary functions take arrays; the arithmetic is the same.
"""

from __future__ import annotations

from types import FunctionType

import numpy as np
from numba import njit, vectorize

import tme_sim.laws as vocabulary
from tme_sim.compiler.model import CompiledModel, actors
from tme_sim.engine import elementary
from tme_sim.mechanisms.closure import OXYGEN_EDGES
from tme_sim.network import OXYGEN, Process, Signal, arguments

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
INLINE = {"nogil": True, "error_model": "numpy", "forceinline": True}

log_of_place = njit("float64(float64)", **INLINE)(elementary.log.py_func)


@njit("float64(float64)", **INLINE)
def exp_of_place(x):
    """What :func:`exp` gives one place of an array; free of branches, so that eight places go through the processor at
    once."""
    return elementary.exp_sum(x if x < 230.0 else 230.0, 0.0)


@njit("float64(float64, float64)", **INLINE)
def power_of_place(x, n):
    """What :func:`power` gives one place of an array, for a number `n`."""
    value = elementary.exp_sum(n * log_of_place(x if x > 0.0 else 0.0), 0.0)
    return 1.0 if n == 0.0 else value


@njit("float64(float64, float64)", **INLINE)
def power_of_any(x, n):
    """What :func:`power` gives one place where the exponent is an array."""
    return elementary.power(x if x > 0.0 else 0.0, n)


@njit("void(float64[::1], float64[::1])", **OPTIONS)
def _exp_rows(x, out):
    for i in range(x.size):
        out[i] = exp_of_place(x[i])


@njit("void(float64[::1], float64, float64[::1])", **OPTIONS)
def _power_rows(x, n, out):
    for i in range(x.size):
        out[i] = power_of_place(x[i], n)


@vectorize(["float64(float64)"], cache=True)
def _exp_any(x):
    return elementary.exp(min(x, 230.0))


@vectorize(["float64(float64)"], cache=True)
def _log_any(x):
    return elementary.log(x)


@vectorize(["float64(float64, float64)"], cache=True)
def _power_any(x, n):
    return power_of_any(x, n)


def exp(x):
    """Exponential, the engine's own, over arrays."""
    if hasattr(x, "record"):
        return x.call("exp", x)
    if not isinstance(x, np.ndarray) or x.ndim != 1 or not x.flags.c_contiguous:
        return _exp_any(x)
    out = np.empty(x.size)
    _exp_rows(x.astype(np.float64, copy=False), out)
    return out


def log(x):
    """Logarithm, the engine's own, over arrays."""
    return x.call("log", x) if hasattr(x, "record") else _log_any(x)


def sqrt(x):
    """Square root over arrays."""
    return x.call("sqrt", x) if hasattr(x, "record") else np.sqrt(x)


def power(x, n):
    """Power by the engine's exponential and logarithm, over arrays; a negative base counts as 0, as in
    :mod:`tme_sim.laws`.  Error below 1e-15 times the size of the result's logarithm."""
    for one in (x, n):
        if hasattr(one, "record"):
            return one.call("power", x, n)
    if not isinstance(x, np.ndarray) or np.ndim(n) != 0 or x.ndim != 1 or not x.flags.c_contiguous or n == 0.0:
        return _power_any(x, n)
    out = np.empty(x.size)
    _power_rows(x.astype(np.float64, copy=False), float(n), out)
    return out


REBOUND = {"exp": exp, "log": log, "power": power, "sqrt": sqrt}


def on_arrays(law: FunctionType) -> FunctionType:
    """`law` as a function of arrays: the same code, its elementary functions (and those of laws it calls) rebound."""
    known = dict(law.__globals__)
    for name in law.__code__.co_names:
        value = known.get(name)
        if not isinstance(value, FunctionType):
            continue
        if value.__module__ == vocabulary.__name__ and name in REBOUND:
            known[name] = REBOUND[name]
        elif (value.__module__ or "").startswith("tme_sim."):
            known[name] = on_arrays(value)
    return FunctionType(law.__code__, known, law.__name__, law.__defaults__, law.__closure__)


class Laws:
    """Processes and signals of one model, ready for arrays.

    `fields` are the names that a place has for itself (oxygen, and what lives in voxels).  With `mixed` a place has
    only these: signals are those of the whole lesion.
    """

    def __init__(self, model: CompiledModel, fields: set[str], mixed: bool = False):
        module = actors(model)
        self.model, self.fields, self.mixed = model, fields, mixed
        self.processes: dict[str, Process] = {p.name: p for p in model.network.processes if p.where == "lesion"}
        self.signals: dict[str, Signal] = {
            s.name: s for s in model.network.signals if s.where == "lesion" and not s.parts
        }
        generated = {"exp_": exp, "log_": log, "pow_": power, "sqrt": sqrt}
        self.actor, self.reads, self.same, seen = {}, {}, {}, {}
        for name in self.processes:
            plain = getattr(module, f"actor_{name}").py_func
            code = plain.__code__
            self.reads[name] = code.co_varnames[: code.co_argcount]
            self.actor[name] = FunctionType(code, {**plain.__globals__, **generated}, plain.__name__)
            key = (code.co_code, code.co_consts[1:], code.co_names, self.reads[name])  # the docstring is the first
            self.same[name] = seen.setdefault(key, name)
        self.signal_law = {}
        self.by_species: dict[str, list[str]] = {}
        for p in self.processes.values():
            self.by_species.setdefault(p.of, []).append(p.name)
        self._local: dict[str, bool] = {}

    def is_local(self, name: str) -> bool:
        """Whether `name` has a value of its own at every voxel: a field, or a signal made of one."""
        if name in self.fields or self.mixed:
            return name in self.fields
        if name not in self._local:
            self._local[name] = False  # ends circles
            signal = self.signals.get(name)
            if signal is not None:
                self._local[name] = any(self.is_local(n) for n in arguments(signal.law, signal.bind).values())
            elif name.startswith("rate_") and name[5:] in self.processes:
                self._local[name] = self.processes[name[5:]].of in self.fields
        return self._local[name]

    def of_signal(self, name: str):
        """Law of a signal on arrays, and the names it reads."""
        if name not in self.signal_law:
            signal = self.signals[name]
            self.signal_law[name] = (on_arrays(signal.law), arguments(signal.law, signal.bind))
        return self.signal_law[name]


class Here:
    """Values at one instant: scalars of body and lesion, arrays [voxel] of what is local; found when asked for.

    A view of some voxels only (:meth:`at`) takes from the whole what it is asked for.
    """

    def __init__(self, laws: Laws, scalars: Scalars, arrays: dict[str, np.ndarray]):
        self.laws, self.scalars, self.arrays = laws, scalars, dict(arrays)
        self.whole, self.voxels = None, None
        self.memo: dict = {}  # rates found already, and what a caller keeps of this instant

    def at(self, voxels: np.ndarray, more: dict[str, np.ndarray] | None = None) -> Here:
        """The same instant at some voxels only, with other values of their own in `more`."""
        view = Here(self.laws, self.scalars, more or {})
        view.whole, view.voxels = self, voxels
        return view

    def value(self, name: str):
        """A number, or an array over the places of this view."""
        if name in self.arrays:
            return self.arrays[name]
        if self.whole is not None:
            value = self.whole.value(name)
            if isinstance(value, np.ndarray):
                value = self.arrays[name] = value[self.voxels]
            return value
        laws = self.laws
        if laws.is_local(name):
            if name.startswith("rate_"):
                process = laws.processes[name[5:]]
                self.arrays[name] = self.rate(process.name) * self.value(process.of)
            else:
                law, reads = laws.of_signal(name)
                self.arrays[name] = law(**{a: self.value(n) for a, n in reads.items()})
            return self.arrays[name]
        return self.scalars[name]

    def rate(self, process: str):
        """What the per-actor function of `process` gives: a number, or an array over the places of this view."""
        laws = self.laws
        same = laws.same[process]
        if same not in self.memo:
            self.memo[same] = laws.actor[same](*(self.value(n) for n in laws.reads[same]))
        return self.memo[same]


class Scalars:
    """Values of body and first lesion by name, read from the vectors of a run when asked for."""

    def __init__(self, model: CompiledModel):
        self.places: dict[str, tuple[int, int]] = {}
        names = (model.theta_names, model.node_names, model.held_names, model.state_names)
        for vector, listed in enumerate(names):
            for i, name in enumerate(listed):
                base, _, lesion = name.partition(".")
                if lesion in ("", "1"):
                    self.places[base] = (vector, i)
        self.vectors: tuple[np.ndarray, ...] = ()

    def set(self, th: np.ndarray, nodes: np.ndarray, held: np.ndarray, states: np.ndarray) -> Scalars:
        """Read from these vectors from now on."""
        self.vectors = (th, nodes, held, states)
        return self

    def __getitem__(self, name: str) -> float:
        vector, place = self.places[name]
        return float(self.vectors[vector][place])


ANOXIC = OXYGEN_EDGES[1]
"""mmHg below which a place is anoxic: the class edge that the mean-field share `anoxic_share` counts from."""


def anoxic_here(oxygen: np.ndarray) -> np.ndarray:
    """The local meaning of a share of tissue below an edge: 1 below it, 0 above."""
    return (oxygen < ANOXIC).astype(np.float64)


__all__ = ["ANOXIC", "OXYGEN", "Here", "Laws", "Scalars", "anoxic_here", "exp", "log", "on_arrays", "power"]
