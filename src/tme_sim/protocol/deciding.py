"""Joins the decision step to a compiled model: where its observables stand, and the function that the engine calls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tme_sim.compiler.model import CompiledModel, load_part, write_part
from tme_sim.engine import queue as q
from tme_sim.engine.cache import compiled_digest
from tme_sim.protocol import places as p
from tme_sim.protocol.calendar import Calendar, Entry, Track
from tme_sim.protocol.rules import Part, Signals, Visits, happened, memory_of, queue_size, steady
from tme_sim.therapies import dosing
from tme_sim.therapies.drug import Drug, Kinetics

SOURCE = '''"""The decision step for one compiled model: observe, then decide.  Generated; do not edit."""
import numba
import numpy as np

from tme_sim.compiler.model import load_part
from tme_sim.engine.signatures import DECIDE_SIGNATURE, JIT_OPTIONS
from tme_sim.protocol.kernel import decide_on

observe = load_part({folder!r}, {digest!r}, "observe").observe


@numba.njit(DECIDE_SIGNATURE, cache=True, **JIT_OPTIONS)
def decide(code, tick, y, u, th, memory, queue):
    """Observe the patient and take one decision of the calendar."""
    out = np.zeros({size})
    observe(y, u, th, out)
    return decide_on(code, tick, y, u, th, out, memory, queue)
'''
BODY = ("child_pugh", "albi", "bilirubin", "albumin")


def decide_for(model: CompiledModel):
    """The compiled decision function of a model; written and compiled once per structure, not per protocol."""
    text = SOURCE.format(folder=str(model.folder), digest=model.digest, size=len(model.node_names))
    key = hashlib.blake2b((text + compiled_digest()).encode(), digest_size=8).hexdigest()
    write_part(model.folder, f"decide_{key}", text)
    return load_part(model.folder, model.digest, f"decide_{key}").decide


def signals_of(model: CompiledModel, th: np.ndarray) -> Signals:
    """Places of what visits look at; -1 where the model (with mechanisms switched off) does not have it."""

    layout = model.layout
    tables = {"nodes": layout.nodes, "held": layout.held, "states": layout.states, "theta": layout.theta}

    def places(vector: str, name: str, of: str = "body") -> list[float]:
        """Where a name stands: one place, or of "lesion" one for each."""
        number = layout.n_lesions if of == "lesion" else 1
        if name not in tables[vector][of]:
            return [-1.0] * number
        return [float(model.index(vector, name, k)) for k in range(number)]

    def values(name: str, default: float) -> list[float]:
        """A parameter of each lesion."""
        return [float(th[int(at)]) if at >= 0 else default for at in places("theta", name, "lesion")]

    body = [places("nodes", name)[0] for name in BODY]
    body += [places("states", "AFP")[0], places("theta", "volume_floor")[0], places("theta", "rho_cell")[0]]
    body += [places("states", "invasion_hazard")[0], places("theta", "liver_volume")[0]]
    seen = [places("nodes", "lesion_volume", "lesion"), places("nodes", "viable_cells", "lesion")]
    seen += [places("held", "active", "lesion"), values("extrahepatic", 0.0)]
    seen += [[1.0 if share >= 0.5 else 0.0 for share in values("arterial_share", 1.0)], values("infiltrative", 0.0)]
    lesions = [list(row) for row in zip(*seen, strict=True)]
    return Signals(body, lesions)


def drug_parts(
    drug: Drug, values: Kinetics, track: Track, entry: Entry | None, oral: str, group: Callable[[Sequence], int]
) -> list[Part]:
    """The jumps of one dose, of the start of a steady intake, or (entry None) of its end; `group` queues rows."""
    data = (entry or track.given[0]).data
    if steady(track, oral):
        start, stop = dosing.averaged(drug, values, data["dose"], track.every / q.TICKS_PER_DAY, 0, 1)
        return [(-1, 0, dosing.STOP_ORDER, group((start if entry else stop).rows))]
    route = data["route"]
    length = 0.0 if route == "oral" else data["duration"] / q.TICKS_PER_DAY
    jumps = dosing.dose(drug, values, data["dose"], 0, route=route, infusion=length)
    return [(-1, jump.tick, jump.order, group(jump.rows)) for jump in jumps]


def prepare(
    calendar: Calendar,
    model: CompiledModel,
    th: np.ndarray,
    parts_of: Callable[[Track, Entry | None], Sequence[Part]],
    *,
    start: int,
    stop: int,
    oral: str,
    visits: Visits,
) -> tuple[np.ndarray, int]:
    """Memory of a ruled calendar, and how many places its decisions need in the queue."""
    memory = memory_of(calendar, signals_of(model, th), parts_of, start=start, stop=stop, oral=oral, visits=visits)
    return memory, queue_size(calendar, memory, start, stop, oral)


def open_queue(
    calendar: Calendar, memory: np.ndarray, queue: np.ndarray, scans: np.ndarray, start: int, stop: int
) -> None:
    """Queue scans (at these ticks), blood tests, and the first dates of everything that rules decide about."""
    from tme_sim.protocol.kernel import open_calendar

    looks = [(int(tick), p.D_SCAN) for tick in scans]
    kinds = {"visit": p.D_BLOOD, "planning": p.D_PLAN}
    looks += [(e.tick, kinds[e.kind]) for e in calendar.entries if e.kind in kinds and start <= e.tick <= stop]
    for tick, kind in looks:
        q.append(queue, tick, p.ORDER_LOOK, q.DECISION, kind * p.KIND)
    queue[0, q.H_NOW] = start
    open_calendar(memory, queue)


def told(
    calendar: Calendar, memory: np.ndarray, stop: int, oral: str, slots: Mapping[str, str], words: Callable
) -> list[dict]:
    """Events of a finished run: what was given, and every decision, each with its reason.

    `words(entry)` says what a procedure was; `slots` maps drugs to their kinetic slots.
    """
    out = []
    for one in happened(calendar, memory, stop, oral):
        event = {
            "tick": one.tick,
            "day": one.tick / q.TICKS_PER_DAY,
            "kind": "decision",
            "treatment": one.target,
            "number": one.number,
            "what": one.what,
        }
        if one.entry is not None:
            event["kind"] = one.entry.kind
            if one.entry.kind == "drug":
                drug = one.entry.data["drug"]
                event |= {"what": f"{drug} {one.entry.data['dose']:g} mg", "drug": drug, "slot": slots[drug]}
            else:
                event["what"] = words(one.entry)
        if one.reason:
            event["reason"] = one.reason
        out.append(event)
    return out
