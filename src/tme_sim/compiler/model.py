"""A compiled model: the generated module, its index maps, and its cache on disk.

The cache key is a digest of everything that shapes the generated code: the sources of laws, network, compiler and
elementary functions, the sources and loaded laws of all mechanisms in use, the number of lesion slots, and the
versions of Python, numba and SymPy.  Parameters are not part of it, so they never cause a recompile.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tme_sim.compiler.layout import Layout
from tme_sim.engine.cache import cache_root, private_folder, source_digest
from tme_sim.network import Network
from tme_sim.quantities import internal, to_display

PARTS = ("jac", "observe", "prepare", "rhs")
ENOUGH_FOR_LANES = 64  # patients for which it pays to make the functions for lanes
ENOUGH_FOR_MADE_LANES = 16  # patients for which it pays to load them
LANES = '''"""Right-hand side, Jacobian and elimination for lanes of patients, without states that stay at zero."""
from tme_sim.compiler import native

lanes = native.lanes(__file__, __name__, absent={absent})
'''


class BaselineError(ValueError):
    """A patient as drawn cannot exist; the message names the value that came out impossible and what to change."""


@dataclass
class CompiledModel:
    """Functions and index maps of one network with `n_lesions` lesion slots.

    `prepare`, `rhs`, `jac`, `observe` follow :mod:`tme_sim.engine.signatures`.
    """

    network: Network
    layout: Layout
    digest: str
    folder: Path
    prepare: object
    rhs: object
    jac: object
    observe: object
    announce: Callable[[str], None] | None = None  # told before lanes are compiled

    @cached_property
    def state_names(self) -> list[str]:
        """Names of the state vector; those of lesion k end in `.k`."""
        return self.layout.labels(self.layout.states)

    @cached_property
    def held_names(self) -> list[str]:
        """Names of the held inputs."""
        return self.layout.labels(self.layout.held)

    @cached_property
    def node_names(self) -> list[str]:
        """Names of the observables."""
        return self.layout.labels(self.layout.nodes)

    @cached_property
    def theta_names(self) -> list[str]:
        """Names of the working vector."""
        return self.layout.labels(self.layout.theta)

    @cached_property
    def parameter_names(self) -> list[str]:
        """Names of the free parameters."""
        return self.layout.labels(self.layout.parameters)

    @cached_property
    def units(self) -> dict[str, str]:
        """Display unit of every state, held input and observable (without lesion number)."""
        out = {}
        for item in (*self.network.species, *self.network.held, *self.network.signals, *self.network.totals):
            out[item.name] = item.unit
            for i in range(getattr(item, "parts", 0)):
                out[f"{item.name}_{i}"] = item.unit
        return out

    @cached_property
    def elimination(self) -> np.ndarray:
        """Elimination program of the Jacobian's pattern (:func:`tme_sim.engine.linear.build_program`)."""
        from tme_sim.engine.linear import build_program

        rows, cols = (np.array(x, dtype=np.int32) for x in (self.layout.rows, self.layout.cols))
        return build_program(rows, cols, len(self.state_names))

    @cached_property
    def functions(self):
        """What the integrator needs of the model (:class:`tme_sim.engine.run.Functions`)."""
        from tme_sim.engine.run import Functions

        part = load_part(self.folder, self.digest, "elimination")
        return Functions(self.rhs, self.jac, self.elimination, factor=part.factor, solve=part.solve, lanes=self.lanes)

    def absent(self, states, held) -> tuple[int, ...]:
        """Places of states that stay at zero, as those of drugs that are not given do.

        states, held: places of the states that are zero at the start and that no jump changes, and of the held inputs
        that are zero throughout.
        """
        asked = tuple(states), tuple(held)
        if asked not in self._absent:
            from tme_sim.engine.tape import absent_states

            self._absent[asked] = absent_states(*self._rates, *asked)
        return self._absent[asked]

    @cached_property
    def _absent(self) -> dict:
        """What :meth:`absent` has found."""
        return {}

    @cached_property
    def _rates(self) -> tuple:
        """The right-hand side as a tape, and what it writes."""
        from tme_sim.compiler.flatten import flatten
        from tme_sim.engine.tape import Tape

        tape = Tape()
        return tape, flatten((self.folder / "rhs.py").read_text(encoding="utf-8"), "rhs", tape)

    def lanes(self, states=(), held=(), number: float = math.inf):
        """The model for `number` patients side by side (:class:`tme_sim.engine.lane_arrays.Lanes`), without what is
        :meth:`absent`; None where so few patients are not worth it.

        Compiled once per structure and set of drugs, which `announce` is told before, then cached.
        """
        if number < ENOUGH_FOR_MADE_LANES:
            return None
        absent = self.absent(states, held)
        part = f"lanes_{hashlib.blake2b(repr(absent).encode(), digest_size=8).hexdigest()}" if absent else "lanes"
        sign = self.folder / f"{part}.made"  # beside numba's cache, which may have lost it
        first = not sign.exists()
        if first and number < ENOUGH_FOR_LANES:
            return None
        if first and self.announce:
            seconds = 4 + self.layout.n_lesions  # of a quiet core
            self.announce(f"compiling the model for many runs at once (once per set of drugs, about {seconds} seconds)")
        write_part(self.folder, part, LANES.format(absent=absent))
        found = load_part(self.folder, self.digest, part).lanes
        if first:
            with suppress(OSError):
                sign.touch()
        return found

    def defaults(self) -> np.ndarray:
        """Parameter vector with every parameter at its declared value, internal units."""
        values = {p.name: p.internal for p in self.network.parameters()}
        return np.array([values[name.split(".")[0]] for name in self.parameter_names])

    @cached_property
    def scales(self) -> np.ndarray:
        """Declared size of every state, internal units: below it a value means nothing."""
        scales = {s.name: internal(s.scale, s.unit) for s in self.network.species}
        return np.array([scales[name.split(".")[0]] for name in self.state_names])

    def tolerances(self, rtol: float) -> np.ndarray:
        """Absolute tolerance of every state: its declared scale times `rtol` times 1e-3."""
        return self.scales * rtol * 1e-3

    def index(self, vector: str, name: str, lesion: int = 0) -> int:
        """Position of `name` in `vector` (states | held | parameters | theta | nodes) for lesion number `lesion`.

        Raises:
            KeyError: with the nearest known names.
        """
        found = self._places.get((vector, name))
        if found is not None:
            return found[0] + lesion * found[1]
        table = getattr(self.layout, vector)
        try:
            first = self.layout.index(table, name)
            # a name of the body stands once, whichever lesion is asked for
            step = 0 if name in table["body"] else len(table["lesion"])
            self._places[vector, name] = first, step
            return first + lesion * step
        except ValueError:
            from tme_sim.diagnostics import nearest

            raise KeyError(f'"{name}" is not in {vector}{nearest(name, table["body"] + table["lesion"])}') from None

    @cached_property
    def _places(self) -> dict[tuple[str, str], tuple[int, int]]:
        """What :meth:`index` has found: place in the first block, and how far it is to that of the next lesion."""
        return {}

    def start(self, par: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Solve the untreated baseline: returns (y0, u0, th).

        Raises:
            BaselineError: if the patient as drawn cannot exist.
        """
        th = np.zeros(self.layout.size(self.layout.theta))
        self.prepare(np.ascontiguousarray(par), th)
        self._check_baseline(th)
        return th[self._starts], self._held_at_start(par), th

    @cached_property
    def _starts(self) -> np.ndarray:
        names = {n: i for i, n in enumerate(self.theta_names)}
        out = []
        for name in self.state_names:
            base, _, lesion = name.partition(".")
            out.append(names[f"{base}_start" + (f".{lesion}" if lesion else "")])
        return np.array(out)

    @cached_property
    def _held_from(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Held inputs at the start: their values, and which of them (places) take which parameters (places)."""
        declared = {h.name: h for h in self.network.held}
        values, places, sources = np.zeros(len(self.held_names)), [], []
        for i, name in enumerate(self.held_names):
            base, _, lesion = name.partition(".")
            initial = declared[base].initial
            if isinstance(initial, str):
                places.append(i)
                sources.append(self.index("parameters", initial, int(lesion) - 1 if lesion else 0))
            else:
                values[i] = internal(initial, declared[base].unit)
        return values, np.array(places, dtype=np.int64), np.array(sources, dtype=np.int64)

    def _held_at_start(self, par: np.ndarray) -> np.ndarray:
        values, places, sources = self._held_from
        out = values.copy()
        out[places] = par[sources]
        return out

    @cached_property
    def _limits(self) -> list[tuple[int, str, str, str, float]]:
        floors = {b.parameter: (b.label, b.unit, b.minimum) for b in self.network.balances}
        floors |= {r.name: (r.label, r.unit, r.minimum) for r in self.network.references if r.minimum is not None}
        out = []
        for i, name in enumerate(self.theta_names):
            base = name.split(".")[0]
            if base in floors:
                out.append((i, name, *floors[base]))
        return out

    @cached_property
    def _floors(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of what :attr:`_limits` bounds, and the bounds."""
        return np.array([x[0] for x in self._limits], dtype=np.int64), np.array([x[4] for x in self._limits])

    def _check_baseline(self, th: np.ndarray) -> None:
        places, floors = self._floors
        finite, short = np.isfinite(th), th[self._starts] < -self.tolerances(1e-4)
        if finite.all() and (th[places] >= floors).all() and not short.any():
            return
        for i, name, label, unit, minimum in self._limits:
            lesion = name.partition(".")[2]
            if lesion and th[self.index("theta", "present", int(lesion) - 1)] == 0.0:
                continue
            if th[i] < minimum:
                raise BaselineError(
                    f"this patient cannot rest before treatment: {label} ({name}) would have to be "
                    f"{to_display(th[i], unit):.4g}{'' if unit == '1' else ' ' + unit}, below {minimum:g}. "
                    f"{self._repair(name.split('.')[0])}"
                )
        if not finite.all():
            bad = self.theta_names[int(np.flatnonzero(~finite)[0])]
            raise BaselineError(f"the untreated baseline is not finite at {bad}; check the parameters it is made of")
        if short.any():
            state = self.state_names[int(np.flatnonzero(short)[0])]
            raise BaselineError(
                f"this patient cannot exist: {state} would be negative before treatment; shares of one whole that are "
                f"too large together do that, and so do smoothings that are too wide (tme-sim describe "
                f"{state.split('.')[0]} shows what its start is made of)"
            )

    def _repair(self, name: str) -> str:
        """What to change where the untreated patient asks for a negative rate."""
        balanced = {b.parameter: b.species for b in self.network.balances}
        if name not in balanced:  # what is left of the cell loss that was drawn
            return ("Raise cell_loss_factor, or lower what removes these cells untreated "
                    f"(tme-sim describe {name} shows what it is made of).")  # fmt: skip
        return ("What else brings these in exceeds what is lost: lower the one or raise the other "
                f"(tme-sim describe {balanced[name]} shows both).")  # fmt: skip


def model_digest(network: Network, n_lesions: int) -> str:
    """Hex digest of everything that shapes the generated code (128 bit)."""
    from importlib.metadata import version

    import tme_sim.compiler as compiler
    import tme_sim.laws as laws
    import tme_sim.network as network_module
    import tme_sim.quantities as quantities

    h = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(compiler.__file__).parent.glob("*.py")):
        h.update(path.read_bytes())
    for module in (laws, network_module, quantities):
        h.update(Path(module.__file__).read_bytes())
    h.update(source_digest().encode())
    for mechanism in network.mechanisms:
        h.update(mechanism.name.encode())
    for path in sorted(_law_files(network)):
        h.update(Path(path).read_bytes())
    h.update(_loaded_code(network).encode())
    h.update(json.dumps([{k: str(v) for k, v in network.rests.items()}, n_lesions]).encode())
    h.update(f"{sys.version_info[:2]} {version('numba')} {version('sympy')}".encode())
    return h.hexdigest()


def model_folder(network: Network, n_lesions: int) -> Path:
    """Where the compiled model is kept, or will be; its name is the :func:`model_digest`."""
    return cache_root() / "models" / model_digest(network, n_lesions)


def _laws(network: Network) -> list:
    laws = [p.law for p in network.processes] + [s.law for s in network.signals] + [t.law for t in network.totals]
    laws += [m.law for m in network.modulations]
    laws += [s.initial for s in network.species if callable(s.initial)]
    return laws + [r.signal for r in network.references if callable(r.signal)]


def _law_files(network: Network) -> set[str]:
    from tme_sim.mechanisms import closure

    return {inspect.getsourcefile(law) for law in _laws(network)} | {closure.__file__}


def _loaded_code(network: Network) -> str:
    """What this process has loaded: a file edited since then must not pass its old code off under the new digest."""
    laws = [(law.__name__, _plain_code(law.__code__)) for law in _laws(network) if hasattr(law, "__code__")]
    names = [[item.name for item in group] for group in (
        network.parameters("body"), network.parameters("lesion"), network.species, network.held, network.signals,
        network.totals, network.processes, network.modulations, network.references)]
    return repr((laws, names, [b.parameter for b in network.balances]))


def _plain_code(code) -> tuple:
    """A code object without memory addresses: its instructions, names and constants, inner functions included."""
    constants = [_plain_code(c) if hasattr(c, "co_code") else repr(c) for c in code.co_consts]
    return (code.co_code.hex(), code.co_names, constants)


def compile_model(network: Network, n_lesions: int = 1, announce=None) -> CompiledModel:
    """Load the model from the cache, or write, check and compile it.

    `announce(text)` is told before anything slow happens.

    Raises:
        NetworkError: if the network cannot be compiled (circles, units, balances).
    """
    folder = model_folder(network, n_lesions)
    digest = folder.name
    try:
        return _load(network, digest, folder, announce)
    except FileNotFoundError:
        pass
    except Exception:  # a damaged cache entry is rebuilt once, whatever is wrong with it
        shutil.rmtree(folder, ignore_errors=True)
    if announce:
        seconds = round(10 + 3 * (n_lesions - 1), -1)  # of a quiet core
        announce(f"writing and compiling the model (once per structure, about {seconds} seconds)")
    with _engine_beside():
        _write(network, n_lesions, folder)
        return _load(network, digest, folder, announce)


def _write(network: Network, n_lesions: int, folder: Path) -> None:
    from tme_sim.compiler.emit import actor_source, write
    from tme_sim.compiler.symbolic import build
    from tme_sim.compiler.unitcheck import check

    check(network)
    model = build(network)
    texts, layout = write(model, n_lesions)
    private_folder(folder.parent)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent))
    for name, text in texts.items():
        (temporary / f"{name}.py").write_text(text, encoding="utf-8")
    (temporary / "actors.py").write_text(actor_source(model), encoding="utf-8")
    (temporary / "layout.json").write_text(json.dumps(layout.to_dict()), encoding="utf-8")
    try:
        os.rename(temporary, folder)
    except OSError:  # another process was faster; its entry has the same digest
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _engine_beside():
    """Compile the integrator in a process of its own while this one writes and compiles the model.

    Once it is done, this process reads the result from the cache; whatever fails there is compiled, and its error
    raised, when it is first used here.
    """
    command = [sys.executable, "-c", "import tme_sim.engine.run"]
    job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        job.wait()


def write_part(folder: Path, part: str, text: str) -> None:
    """Write a generated module that is not there yet; it appears whole."""
    path = folder / f"{part}.py"
    if not path.exists():
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".py")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(temporary, path)


def load_part(folder: str | Path, digest: str, part: str):
    """Import one generated module (prepare, rhs, jac, observe or actors); numba compiles it or reads its cache."""
    return _import(Path(folder) / f"{part}.py", f"tme_sim_model_{digest}_{part}")


def _load(network: Network, digest: str, folder: Path, announce) -> CompiledModel:
    layout = Layout(**json.loads((folder / "layout.json").read_text(encoding="utf-8")))
    parts = {part: getattr(load_part(folder, digest, part), part) for part in PARTS}
    return CompiledModel(network, layout, digest, folder, **parts, announce=announce)


def _import(path: Path, name: str):
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def actors(model: CompiledModel):
    """The generated module of per-actor functions, `actor_<process>(...)`."""
    return load_part(model.folder, model.digest, "actors")
