"""Courses of some patients of a trial: what each scan measured, for spider plots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tme_sim.cohort.running import TrialResult

__all__ = ["courses_of"]


def courses_of(
    result: TrialResult, count: int, announce: Callable[[str], None] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """For each arm, the first `count` patients: number, days of scans, relative change of the sum of target diameters.

    Days are from entry.  The sums are those of the trial's criterion (RECICL has none: RECIST 1.1 then).  These
    patients are simulated again, since the rows hold no scans; who cannot be run to the end is left out.
    """
    from tme_sim.outcome import SimulationError
    from tme_sim.plan import plan_of
    from tme_sim.simulation import run_plan

    out: dict[str, list[dict[str, Any]]] = {}
    for arm in result.trial.arms:
        key = f"sum_{arm.scenario.imaging.criterion}".replace("recicl", "recist11")
        found = []
        for patient, row in zip(result.patients[:count], result.rows[arm.name], strict=False):
            plan = plan_of(arm.scenario.changed(patient.changes))
            try:
                outcome = run_plan(_until(plan, row))
            except SimulationError:
                continue
            read = [(e["day"], e[key]) for e in outcome.events if e["kind"] == "scan" and key in e]
            if len(read) > 1 and read[0][1] > 0:
                change = [size / read[0][1] - 1.0 for _, size in read]
                days = [day - result.begin(arm.name) for day, _ in read]
                found.append({"patient": patient.number, "days": days, "change": change})
        if announce is not None:
            announce(f"{arm.name}: scans of {len(found)} patient{'' if len(found) == 1 else 's'} read")
        out[arm.name] = found
    return out


def _until(plan: Any, row: Any) -> Any:
    """The plan, ended a scan after death, so that no tumour has to be followed beyond it."""
    from dataclasses import replace

    from tme_sim.engine.queue import TICKS_PER_DAY

    if not row["os_event"]:
        return plan
    return replace(plan, stop=min(plan.stop, int((row["os"] + 7) * TICKS_PER_DAY)))
