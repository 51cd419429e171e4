"""The generated code means what the laws mean: values, Jacobian, baseline, cache."""

import re
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest

from compiler.toy_network import BODY, TUMOUR, parameter, toy
from tme_sim.compiler.model import BaselineError, compile_model
from tme_sim.laws import exp
from tme_sim.network import (
    Hypothesis,
    Mechanism,
    NetworkError,
    Reference,
    Signal,
    Species,
    arguments,
    arrival,
    compose,
    decay,
)
from tme_sim.plain import PlainModel


@pytest.fixture(scope="module", params=[1, 3], ids=["one lesion", "three lesions"])
def model(request):
    return compile_model(toy(), request.param)


@pytest.fixture
def patient(model):
    par = model.defaults()
    for lesion, rate in enumerate([0.01, 0.02, 0.005][: model.layout.n_lesions]):
        par[model.index("parameters", "rate", lesion)] = rate
    return par


def away_from_rest(model, par, seed=1):
    y, u, th = model.start(par)
    rng = np.random.default_rng(seed)
    return (y + 1e-3) * np.exp(rng.normal(0, 0.4, y.size)), u, th


def test_untreated_baseline_rests_or_grows_at_the_rate_drawn(model, patient):
    y, u, th = model.start(patient)
    dy = np.zeros_like(y)
    model.rhs(y, u, th, dy)
    for b in range(model.layout.n_lesions):
        rate = patient[model.index("parameters", "rate", b)]
        for name in ("awake", "asleep"):
            i = model.index("states", name, b)
            assert dy[i] == pytest.approx(rate * y[i], rel=1e-10)
        i = model.index("states", "guard", b)
        assert abs(dy[i]) < 1e-12 * y[i]
    i = model.index("states", "blood")
    assert abs(dy[i]) < 1e-12 * y[i]


def test_right_hand_side_equals_the_plain_backend(model, patient):
    y, u, th = away_from_rest(model, patient)
    dy = np.zeros_like(y)
    model.rhs(y, u, th, dy)
    reference = PlainModel(model.network, model.layout).rhs(y, u, th)
    np.testing.assert_allclose(dy, reference, rtol=1e-11, atol=1e-12 * np.abs(y).max())


def test_baseline_equals_the_plain_backend(model, patient):
    _, _, th = model.start(patient)
    reference = PlainModel(model.network, model.layout).prepare(patient)
    known = ~np.isnan(reference)
    np.testing.assert_allclose(th[known], reference[known], rtol=1e-10)


def test_jacobian_equals_differences(model, patient):
    y, u, th = away_from_rest(model, patient)
    values = np.zeros(len(model.layout.rows))
    model.jac(y, u, th, values)
    exact = np.zeros((y.size, y.size))
    exact[model.layout.rows, model.layout.cols] = values
    numeric = np.zeros_like(exact)
    for j in range(y.size):
        h = 1e-6 * y[j]
        up, down = y.copy(), y.copy()
        up[j] += h
        down[j] -= h
        a, b = np.zeros_like(y), np.zeros_like(y)
        model.rhs(up, u, th, a)
        model.rhs(down, u, th, b)
        numeric[:, j] = (a - b) / (2 * h)
    scale = y[None, :] / y[:, None]
    np.testing.assert_allclose(exact * scale, numeric * scale, atol=2e-7 * np.abs(numeric * scale).max())


def test_observables_equal_the_plain_backend(model, patient):
    y, u, th = away_from_rest(model, patient)
    out = np.zeros(len(model.node_names))
    model.observe(y, u, th, out)
    plain = PlainModel(model.network, model.layout)
    for name, value in zip(model.node_names, out, strict=True):
        base, _, lesion = name.partition(".")
        if not base.startswith("mean_"):
            assert value == pytest.approx(plain.observe(y, u, th, base, int(lesion or 1) - 1), rel=1e-11, abs=1e-15)


def test_absent_lesion_stands_still(model, patient):
    last = model.layout.n_lesions - 1
    patient[model.index("parameters", "present", last)] = 0.0
    y, u, th = model.start(patient)
    dy = np.zeros_like(y)
    model.rhs(y, u, th, dy)
    first = model.index("states", model.layout.states["lesion"][0], last)
    assert np.all(dy[first : first + len(model.layout.states["lesion"])] == 0.0)


def test_arrow_is_cut_by_its_gain(model, patient):
    y, u, th = away_from_rest(model, patient)
    patient[model.index("parameters", "gain_alarm_on_kill")] = 0.0
    _, _, cut = model.start(patient)
    plain = PlainModel(model.network, model.layout)
    with_arrow, without = (plain.observe(y, u, t, "rate_kill") for t in (th, cut))
    alarm = plain.observe(y, u, th, "alarm")
    assert with_arrow == pytest.approx(without * (1 + alarm), rel=1e-12)


def test_hypothesis_replaces_the_law():
    network = toy(hypotheses={"kill.law": "double"})
    law = next(p.law for p in network.processes if p.name == "kill")
    assert law(3.0) == 6.0
    with pytest.raises(NetworkError, match='no choice "tripel"; choose one of default, double'):
        toy(hypotheses={"kill.law": "tripel"})


def test_a_hypothesis_may_add_to_its_mechanism_and_replace_references():
    more = Mechanism("toy", "", parameters=(parameter("k_scar", 0.1, "1/day"),),
                     species=(Species("scar", "1", "scar", where="body", kind="pool"),),
                     processes=(decay("scar_lost", "scar", lambda k_scar: k_scar, "loss", where="body"),))
    source = Mechanism("toy", "toy", parameters=(parameter("one_half", 0.5, "1"),), species=(Species("x", "1", "x"),),
                       references=(Reference("half", lambda one_half: one_half, "1", "half"),),
                       hypotheses=(Hypothesis("scar", "kept", "scars", "toy", laws={"half": lambda k_scar: k_scar},
                                              adds=more),))
    plain, chosen = compose([source]), compose([source], hypotheses={"scar": "kept"})
    assert [s.name for s in plain.species] == ["x"] and [s.name for s in chosen.species] == ["x", "scar"]
    assert {p.name for p in chosen.parameters()} == {"one_half", "k_scar"} and len(plain.processes) == 0
    assert plain.references[0].signal(0.5) == 0.5 and arguments(chosen.references[0].signal, {}) == {"k_scar": "k_scar"}


def test_switched_off_mechanism_leaves_its_resting_values():
    body = Mechanism("cytokine", "toy", species=(Species("signal2", "1", "x", rest=3.0),),
                     processes=(decay("d2", "signal2", lambda: 1.0, "x"),))
    reader = Mechanism("reader", "toy", species=(Species("x", "1", "x"),),
                       processes=(arrival("a", "x", lambda signal2, k: signal2 * k, "x"),),
                       parameters=(parameter("k", 1.0, "1/day"),))
    model = compile_model(compose([body, reader], off=["cytokine"]), 1)
    dy = np.zeros(1)
    y, u, th = model.start(model.defaults())
    model.rhs(y, u, th, dy)
    assert dy[0] == 3.0


def test_impossible_patient_is_refused_with_the_value():
    model = compile_model(toy(), 1)
    par = model.defaults()
    par[model.index("parameters", "rate")] = -5.0
    with pytest.raises(BaselineError, match="growth rate .* would have to be -.*exceeds what is lost"):
        model.start(par)


def test_second_load_comes_from_the_cache_with_the_same_bits(model, patient):
    again = compile_model(toy(), model.layout.n_lesions)
    assert again.digest == model.digest and again.folder == model.folder
    np.testing.assert_array_equal(again.start(patient)[2], model.start(patient)[2])


def test_digest_is_the_same_in_another_process():
    code = ("from tme_sim.compiler.model import model_digest; from tme_sim.mechanisms.registry import all_mechanisms;"
            "from tme_sim.network import compose; print(model_digest(compose(all_mechanisms()), 1))")
    found = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
             for _ in range(2)}
    assert len(found) == 1


def test_damaged_cache_entry_is_rebuilt(tmp_path, monkeypatch):
    monkeypatch.setenv("TME_SIM_CACHE", str(tmp_path))
    # the integrator is here already: none is compiled for the empty folder by a process of its own
    monkeypatch.setattr("tme_sim.compiler.model._engine_beside", nullcontext)
    first = compile_model(toy(), 2)
    (first.folder / "layout.json").write_text("{ not json")
    assert compile_model(toy(), 2).layout.rows == first.layout.rows


@pytest.mark.parametrize(("law", "said"), [
    (lambda k_slow: k_slow * k_slow, "returns 1/day^2, but must return 1/day "),
    (lambda k_slow: k_slow / k_slow, "returns a plain number, but must return 1/day "),
    (lambda k_slow: k_slow * exp(k_slow), "has 1/day where a plain number belongs; "),
    (lambda k_slow: k_slow + k_slow * k_slow, "has 1/day where 1/day^2 belongs; "),
])
def test_wrong_unit_is_refused_with_the_law_and_both_units(law, said):
    bad = Mechanism("bad", "toy", species=(Species("x", "cell", "x"),), processes=(decay("d", "x", law, "x"),),
                    parameters=(parameter("k_slow", 1.0, "1/day"),))
    with pytest.raises(NetworkError, match=rf'process "d": law .*{re.escape(said)}.*k_slow \[1/day\]'):
        compile_model(compose([bad]), 1)


def test_circle_of_signals_is_refused():
    bad = Mechanism("bad", "toy", species=(Species("x", "1", "x"),), signals=(
        Signal("ping", lambda pong: pong, "1", "a"), Signal("pong", lambda ping: ping, "1", "b")))
    with pytest.raises(NetworkError, match="in a circle: ping -> pong -> ping"):
        compile_model(compose([bad]), 1)


def test_unknown_name_is_refused_with_the_nearest():
    bad = Mechanism("bad", "toy", species=(Species("x", "cell", "x"),),
                    processes=(decay("d", "x", lambda k_dye: k_dye, "x"),),
                    parameters=(parameter("k_die", 1.0, "1/day"),))
    with pytest.raises(NetworkError, match='reads "k_dye", which nobody provides.*k_die'):
        compose([bad])
    assert {TUMOUR.name, BODY.name} == {"toy_tumour", "toy_body"}


@pytest.mark.parametrize("name", ["y", "th", "lambda", "pow_"])
def test_a_name_that_the_generated_code_needs_is_refused_with_the_repair(name):
    own = Mechanism("own", "A species with a word of the generated code.", species=(Species(name, "1", "x", initial=1.0),))
    with pytest.raises(NetworkError, match=f'species "{name}".*call it "{name}_value"'):
        compose([own])
