"""Our SBML, simulated by libRoadRunner, is our model (promise M6)."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.sources import toy_model, toy_source
from export.twin import POINTWISE, SCALED, Theirs, away_from, columns, compare, differences, ours, radau
from tme_sim.export.sbml import document_values, sbml_document
from tme_sim.export.source import source_of_scenario

EMERALD = Path(__file__).parents[2] / "configs" / "emerald1.toml"


def judge(found, n):
    assert found.scaled <= SCALED and found.pointwise <= POINTWISE, found
    assert len(found.unfinished) <= 0.01 * n, found  # of a thousand random patients a few are given up, with a message
    assert found.rechecked <= 0.02 * n, found
    assert len(found.undecided) <= 0.01 * n, found


@pytest.fixture(scope="module", params=[1, 3], ids=["one lesion", "three lesions"])
def model(request):
    return toy_model(request.param)


@pytest.fixture(scope="module")
def emerald():
    """Model and source of the first scenario a user runs: TACE, an antibody, then a second one, on fixed dates."""
    from tme_sim.compiler.model import compile_model
    from tme_sim.scenario import Scenario

    source = source_of_scenario(Scenario.load(EMERALD))
    return compile_model(source.network, source.layout.n_lesions), source


def test_toy_network_on_50_draws(model):
    source = toy_source(model)
    judge(compare(model, source, sbml_document(source), 50, 50, seed=1), 50)


@pytest.mark.timeout(900)
def test_whole_network_on_12_draws(emerald):
    model, source = emerald
    judge(compare(model, source, sbml_document(source), 12, 60, seed=2), 12)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_whole_network_on_1000_draws(emerald):
    model, source = emerald
    judge(compare(model, source, sbml_document(source), 1000, 180, seed=3), 1000)


def test_setting_values_is_the_same_as_another_document(model):
    """What `compare` does to spare loading: the values of a draw, set in the loaded document, are the draw's document."""
    base = toy_source(model)
    par = base.par * np.linspace(1.0, 1.2, base.par.size)
    y0, u0, th = model.start(par)
    other = replace(base, par=par, y0=y0, u0=u0, th=th)
    ticks = away_from(40, {t for t, _ in base.jumps})
    set_here = Theirs(sbml_document(base), model).run(other, ticks, document_values(other))
    written = Theirs(sbml_document(other), model).run(other, ticks)
    np.testing.assert_allclose(set_here, written, rtol=1e-9)


def test_a_changed_parameter_acts_through_the_document(model):
    """Constants made of parameters follow: only baseline values are numbers of the patient."""
    import roadrunner

    source = toy_source(model)
    par = source.par.copy()
    par[model.index("parameters", "K_grow")] *= 3.0  # stands in constants of the oxygen classes
    par[model.index("parameters", "signal_half")] *= 0.1
    th = source.th.copy()
    model.prepare(par, th)
    solved = {b.parameter for b in model.network.balances} | {r.name for r in model.network.references}
    solved |= {f"{s.name}_start" for s in model.network.species}
    kept = [i for i, n in enumerate(model.theta_names) if n.split(".")[0] in solved]
    th[kept] = source.th[kept]  # baseline values stay those of the patient
    changed = replace(source, par=par, th=th)
    ticks = away_from(40, {t for t, _ in source.jumps})
    text = sbml_document(source)
    for name in ("K_grow", "signal_half"):
        mark = rf'(<parameter id="{name}"[^>]* value=")[^"]*'
        text, count = re.subn(mark, rf"\g<1>{float(par[model.index('parameters', name)])!r}", text)
        assert count == 1
    runner = roadrunner.RoadRunner(text)
    runner.timeCourseSelections = ["time", *columns(model)]
    runner.getIntegrator().setValue("relative_tolerance", 1e-10)
    got = np.array(runner.simulate(times=[0.0, *(ticks / 1440)]))[1:, 1:]
    for state in ("awake", "signal"):
        i = [model.index("states", state)]
        assert differences(got[:, i], ours(model, changed, ticks)[:, i])[0] < 1e-5, state
        assert differences(got[:, i], ours(model, source, ticks)[:, i])[0] > 1e-2, state


def test_the_recheck_is_an_independent_reference():
    model = toy_model(1)
    source = toy_source(model)
    ticks = away_from(14, {t for t, _ in source.jumps})
    scaled, pointwise, _ = differences(ours(model, source, ticks), radau(model, source, ticks))
    assert scaled <= SCALED and pointwise <= POINTWISE


def test_a_wrong_document_is_noticed(model):
    source = toy_source(model)
    text = sbml_document(replace(source, jumps=source.jumps[:-1]))
    assert compare(model, source, text, 1, 50, seed=1, judge=None).scaled > 1e-3


def test_where_the_two_differ_a_third_decides_and_is_counted():
    model = toy_model(1)
    source = toy_source(model)
    text = sbml_document(replace(source, jumps=source.jumps[:-1]))
    found = compare(model, source, text, 1, 50, seed=1, judge=lambda *one: ours(*one))
    assert found.rechecked == 1 and found.scaled == 0.0
    with pytest.raises(AssertionError):
        judge(found, 1)
