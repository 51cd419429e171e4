"""The plain backend: the same laws called with floats, one name at a time, nothing generated.

It defines what the compiled model must compute and is its reference in tests; it is some thousand times slower.
"""

from __future__ import annotations

import numpy as np

from tme_sim.compiler.layout import Layout
from tme_sim.network import OXYGEN, Network, arguments
from tme_sim.quantities import internal


class PlainModel:
    """Evaluates a network by recursion over names.  `layout` says how its vectors are ordered."""

    def __init__(self, network: Network, layout: Layout):
        from tme_sim.mechanisms.closure import OXYGEN_CLASSES

        self.network, self.layout = network, layout
        self.classes = OXYGEN_CLASSES
        self.signals = {}
        for s in network.signals:
            for i in range(s.parts):
                self.signals[f"{s.name}_{i}"] = (s, i)
            if not s.parts:
                self.signals[s.name] = (s, None)
        self.totals = {t.name: t for t in network.totals}
        self.processes = {p.name: p for p in network.processes}
        self.arrows: dict[str, list] = {}
        for m in network.modulations:
            for target in m.targets:
                self.arrows.setdefault(target, []).append(m)
        self.balances = {b.parameter: b for b in network.balances}
        self.references = {r.name: r for r in network.references}
        self.species = {s.name: s for s in network.species}
        self.held = {h.name: h for h in network.held}
        self.changes: dict[str, list] = {}  # species -> (process, amount it gains per event of the process)
        for process in network.processes:
            gain = 1.0 if process.kind in ("division", "arrival", "secretion") else -1.0
            for target, amount in ((process.of, gain), *process.into):
                self.changes.setdefault(target, []).append((process, amount))

    def rhs(self, y: np.ndarray, u: np.ndarray, th: np.ndarray) -> np.ndarray:
        """Rates of change of the states, per day; `th` as filled by :meth:`prepare` or the compiled `prepare`."""
        now = _Now(self, y, u, th)
        out = np.zeros(len(y))
        for name in self.layout.states["body"]:
            out[self.layout.index(self.layout.states, name)] = now.change(name, 0)
        for b in range(self.layout.n_lesions):
            active = now.value("active", b) if "active" in self.held else 1.0
            for name in self.layout.states["lesion"]:
                out[self.layout.index(self.layout.states, name, b)] = active * now.change(name, b)
        return out

    def observe(self, y: np.ndarray, u: np.ndarray, th: np.ndarray, name: str, lesion: int = 0) -> float:
        """Value of one signal, total or `rate_<process>`."""
        return _Now(self, y, u, th).value(name, lesion)

    def prepare(self, par: np.ndarray) -> np.ndarray:
        """Working vector with baseline values solved numerically (each balance by two evaluations of its rate)."""
        layout = self.layout
        start = _Baseline(self, par)
        th = np.full(layout.size(layout.theta), np.nan)
        for b in range(layout.n_lesions):
            for where in ("body", "lesion"):
                for name in layout.theta[where]:
                    if not name.startswith("c_"):
                        th[layout.index(layout.theta, name, b)] = start.value(name, b)
        return th


class _Now:
    """Values at one instant, remembered by (name, lesion)."""

    def __init__(self, model: PlainModel, y, u, th):
        self.model, self.layout = model, model.layout
        self.y, self.u, self.th = y, u, th
        self.memo: dict[tuple[str, int], float] = {}

    def value(self, name: str, lesion: int) -> float:
        key = (name, lesion)
        if key not in self.memo:
            self.memo[key] = self.find(name, lesion)
        return self.memo[key]

    def find(self, name: str, lesion: int) -> float:
        """A value of one lesion (0: the body) in internal units, computed anew."""
        model, layout = self.model, self.layout
        if name in model.signals:
            signal, part = model.signals[name]
            result = self.averaged(signal.law, signal.bind, [], lesion)
            return result if part is None else result[part]
        if name in model.totals:
            total = model.totals[name]
            return sum(
                self.active(b) * self.averaged(total.law, total.bind, [], b) for b in range(layout.n_lesions)
            )
        if name.startswith("rate_") and name[5:] in model.processes:
            return self.rate(model.processes[name[5:]], lesion)
        if name in model.species:
            return self.y[layout.index(layout.states, name, lesion)]
        if name in model.held:
            return self.u[layout.index(layout.held, name, lesion)]
        if name in model.network.rests:
            return internal(*model.network.rests[name])
        return self.th[layout.index(layout.theta, name, lesion)]

    def active(self, lesion: int) -> float:
        return self.value("active", lesion) if "active" in self.model.held else 1.0

    def averaged(self, law, bind, arrows, lesion):
        """A law times its arrows, averaged over the oxygen classes if any of them reads oxygen."""
        names = arguments(law, bind)
        reads_oxygen = OXYGEN in names.values() or any(OXYGEN in arguments(m.law, m.bind).values() for m in arrows)
        if not reads_oxygen:
            return self.product(law, bind, arrows, lesion, None)
        return sum(
            self.value(f"oxygen_share_{k}", lesion) * self.product(law, bind, arrows, lesion, level)
            for k, level in enumerate(self.model.classes)
        )

    def product(self, law, bind, arrows, lesion, oxygen):
        def call(f, b):
            """The value of a law or arrow with its arguments looked up by name, as no compiled code is trusted here."""
            return f(**{a: oxygen if n == OXYGEN else self.value(n, lesion) for a, n in arguments(f, b).items()})

        result = call(law, bind)
        for m in arrows:
            result = result * (1 + self.value(f"gain_{m.name}", lesion) * (call(m.law, m.bind) - 1))
        return result

    def rate(self, process, lesion: int) -> float:
        value = self.averaged(process.law, process.bind, self.model.arrows.get(process.name, []), lesion)
        from tme_sim.network import actors_of

        for actor in actors_of(process):
            value = value * self.value(actor, lesion)
        return value

    def change(self, species: str, lesion: int) -> float:
        """Rate of change of one species; lesion processes that feed the body are summed over active lesions."""
        model, total = self.model, 0.0
        body = model.species[species].where == "body"
        for process, amount in model.changes.get(species, ()):
            summed = body and process.where == "lesion"
            for b in range(self.layout.n_lesions) if summed else (lesion,):
                factor = self.value(amount, b) if isinstance(amount, str) else amount
                weight = self.active(b) if summed else 1.0
                total += weight * factor * self.rate(process, b)
        return total


class _Baseline(_Now):
    """Values before treatment: species stand for their starts, balanced parameters are solved."""

    def __init__(self, model: PlainModel, par):
        super().__init__(model, None, None, None)
        self.par = par

    def find(self, name: str, lesion: int) -> float:
        """The same before treatment, where values at the start are solved."""
        model, layout = self.model, self.layout
        if name.endswith("_start") and name[:-6] in model.species:
            return self.start(model.species[name[:-6]], lesion)
        if name in model.species:
            return self.value(f"{name}_start", lesion)
        if name in model.held:
            initial = model.held[name].initial
            return self.value(initial, lesion) if isinstance(initial, str) else internal(initial, model.held[name].unit)
        if name in model.references:
            signal = model.references[name].signal
            return self.averaged(signal, {}, [], lesion) if callable(signal) else self.value(signal, lesion)
        if name in model.balances:
            return self.balance(model.balances[name], lesion)
        if name in layout.parameters["body"] or name in layout.parameters["lesion"]:
            return self.par[layout.index(layout.parameters, name, lesion)]
        return super().find(name, lesion)

    def start(self, species, lesion: int) -> float:
        if callable(species.initial):
            return self.averaged(species.initial, {}, [], lesion)
        if isinstance(species.initial, str):
            return self.value(species.initial, lesion)
        return internal(species.initial, species.unit)

    def balance(self, balance, lesion: int) -> float:
        """The parameter enters linearly: evaluate the rate at 0 and 1 and solve."""
        target = self.value(balance.grows, lesion) * self.value(balance.species, lesion) if balance.grows else 0.0
        residual = []
        for trial in (0.0, 1.0):
            probe = _Baseline(self.model, self.par)
            probe.memo[(balance.parameter, lesion)] = trial
            residual.append(probe.change(balance.species, lesion))
        return (target - residual[0]) / (residual[1] - residual[0])
