"""A piece in which no place differs from another is the mean field: its laws, the order of its exchange with the body,
and, with chance, the whole of it up to one over the number of its cells."""

from functools import partial

import numpy as np
import pytest
from tissue.test_piece import ready

from tme_sim.quantities import Quantity
from tme_sim.scenario import Scenario
from tme_sim.simulation import simulate
from tme_sim.tissue.coupling import Coupling
from tme_sim.tissue.piece import view
from tme_sim.tissue.settings import Tissue
from tme_sim.tissue.step import mingle

TEXT = """
schema = 1
name = "mixed"
[[patient.lesion]]
name = "main"
diameter = "50 mm"
doubling_time = "160 day"
[[protocol.treatment]]
kind = "tace"
start = "day {start}"
technique = "conventional"
[run]
duration = "{days} day"
"""
AGENTS = 'tissue = "agents"\n[piece]\nsize = "{size} mm"\nsettle = "0 day"\nfilm_every = "0 day"\nstep = "{step} min"\n'
CELLS = ("cycling", "quiescent", "cycling_resistant", "quiescent_resistant", "cycling_unseen", "quiescent_unseen")


@pytest.fixture
def mixing(monkeypatch):
    """Runs with agents have a mixed piece."""
    monkeypatch.setattr("tme_sim.tissue.course.Coupling", partial(Coupling, mixed=True))


def mixed_run(size: float, step: int, start: float, days: float, seed: int = 1):
    """A run with agents through one session."""
    text = TEXT.format(start=start, days=days)
    agents = AGENTS.format(size=size, step=step)
    return simulate(Scenario.from_text(text.replace("[[patient", f"{agents}[[patient", 1), changes=[f"seed={seed}"]))


def test_places_of_a_mixed_piece_have_the_rates_of_the_equations():
    """Every process, averaged over places that are of any oxygen class, is what the compiled equations have."""
    plan, made = ready()
    settings = Tissue(size=Quantity(2.0, "mm"), settle=Quantity(0.0, "day"))
    one = Coupling.untreated(made, settings, patient=plan.patient, mixed=True)
    mingle(one.frame, one.state, one.scalars)
    here, compared = view(one.frame, one.state, one.scalars), 0
    for name, process in one.frame.laws.processes.items():
        if f"rate_{name}" not in one.scalars.places or process.kind == "arrival":
            continue
        mine = float(np.mean(here.rate(name))) * one.scalars[process.of]
        theirs = one.scalars[f"rate_{name}"]
        if process.kind == "contact":
            mine *= one.scalars["CD8"] * one.scalars["contact_volume"]
        assert mine == pytest.approx(theirs, rel=2e-3, abs=1e-12), name
        compared += 1
    assert compared > 40


def test_the_exchange_of_body_and_tissue_is_at_least_of_first_order(mixing, monkeypatch):
    """Half the step, and so half the time between two exchanges, at least halves the error of traits, fields and body (M16);
    luck is frozen: no cell and no vessel changes but by the session."""
    for what in ("live", "walkers", "vessels"):
        monkeypatch.setattr(f"tme_sim.tissue.step.{what}", lambda *ignored: None)
    names, ends = ("HIF2.1", "ENTPD2.1", "VEGF.1", "ATP.1", "AMP.1", "VEGF_plasma"), {}
    for step in (5, 15, 30, 60):
        run = mixed_run(0.3, step, 0.5, 1.5)
        ends[step] = np.array([run[n][-1] for n in names])
    errors = np.array([np.abs(ends[step] / ends[5] - 1.0).max() for step in (60, 30, 15)])
    slopes = np.log2(errors[:-1] / errors[1:])
    assert 1e-6 < errors[1] < 0.05, errors
    assert np.all((slopes > 0.9) & (slopes < 2.2)), (errors, slopes)


@pytest.mark.slow
def test_the_whole_tissue_mixed_is_the_mean_field(mixing):
    """M12: after a session, viable cells, vessels and immune cells of mixed pieces are those of the densities within 5 / K, three
    standard errors and what a step of half an hour leaves (a hundredth); K is the number of individuals of the kind."""
    density = simulate(Scenario.from_text(TEXT.format(start=1, days=9)))
    for size, seeds in ((0.6, 16), (2.0, 4)):
        runs = [mixed_run(size, 30, 1, 9, seed) for seed in range(1, seeds + 1)]
        section = size * size
        for name, volume in (("viable", None), ("CD8_total", 0.02), ("MDSC", 0.02), ("Treg", 0.02), ("TAM", 0.02), ("vessels", 1.0)):
            for day in (1, 3, 9):
                found = np.array([counted(run, name, day) for run in runs])
                expected = counted(density, name, day)
                share = expected / counted(density, "viable", 0) * section / 0.0004
                K = share if volume is None else expected * section * volume
                off, error = found.mean() / expected - 1.0, found.std(ddof=1) / seeds**0.5 / expected
                assert abs(off) <= 5.0 / K + 3.0 * error + 0.01, (size, name, day, off, error, K)


def counted(run, name: str, day: float) -> float:
    """What a run has of something on a day."""
    parts = {"viable": CELLS, "vessels": ("immature_vessels", "mature_vessels")}.get(name, (name,))
    return float(sum(np.interp(day, run.time, run[f"{n}.1"]) for n in parts))
