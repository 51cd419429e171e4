"""Every process of every mechanism means the same for individuals and for the mean field.

Generated from the networks: one test per process and environment, one process at a time, all else frozen.  Drawn events
must agree within sampling error, alpha 0.01 over all cases of this file together (Bonferroni); sums to 1e-9.  As many
individuals are drawn as give the rate to 1 % (contact: 1.5 %), so that a law wrong by a tenth is found.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import numpy as np
import pytest

from agreement.environments import environments, model, network
from agreement.population import (
    Sight,
    argument_names,
    changes,
    is_drawn,
    show,
    sight,
    total,
)
from tme_sim.compiler.model import actors
from tme_sim.mechanisms.closure import OXYGEN_CLASSES
from tme_sim.network import KINDS, OXYGEN, arguments

pytestmark = pytest.mark.timeout(900)  # the first test of a fresh machine compiles the network
ENVIRONMENTS = {"whole": ("untreated", "embolised", "on drugs"), "toy": ("at rest", "moved")}
ALPHA = 0.01
CASES = [
    (name, environment, process.name)
    for name, wanted in ENVIRONMENTS.items()
    for process in network(name).processes
    for environment in wanted
]
LIMIT = NormalDist().inv_cdf(1.0 - ALPHA / len(CASES) / 2.0)  # in standard errors, two-sided
WRONG = 1.1
SEES_TISSUE_MEAN = ("hif1_degradation",)  # one HIF-1 level per lesion is degraded at the rate of the mean target


@cache
def process_of(name, process):
    return next(p for p in network(name).processes if p.name == process)


@cache
def kinds(name):
    return {s.name: s.kind for s in network(name).species}


def compare(name, environment, process, distort=1.0, case=None):
    chosen, frozen = process_of(name, process), environments(name)[environment]
    if not is_drawn(chosen, kinds(name)):
        return total(frozen, chosen, distort)
    case = CASES.index((name, environment, process)) if case is None else case
    return show(frozen, chosen, case, 0.015 if chosen.kind == "contact" else 0.01, distort)


@pytest.mark.parametrize(("name", "environment", "process"), CASES)
def test_individuals_show_the_rate_of_the_mean_field(name, environment, process):
    shown = compare(name, environment, process)
    if shown.error:
        assert abs(shown.z) < LIMIT, f"{shown.rate:.6g} +- {shown.error:.2g} shown, {shown.expected:.6g} expected"
        assert (WRONG - 1.0) * shown.expected > (LIMIT + 2.0) * shown.error  # the test would notice
    else:
        assert shown.rate == pytest.approx(shown.expected, rel=1e-9, abs=0.0)


def under_hypotheses():
    """Processes that hypotheses add, or whose law they replace."""
    laws = {p.name: p.law for p in network("whole").processes}
    return [p.name for p in network("rivals").processes if laws.get(p.name) is not p.law]


@pytest.mark.slow  # compiles a model
@pytest.mark.parametrize("process", under_hypotheses())
def test_individuals_show_the_rate_of_the_mean_field_under_a_hypothesis(process):
    shown = compare("rivals", "embolised", process, case=len(CASES) + under_hypotheses().index(process))
    assert shown.rate != 0.0
    if shown.error:
        assert abs(shown.z) < LIMIT and (WRONG - 1.0) * shown.expected > (LIMIT + 2.0) * shown.error
    else:
        assert shown.rate == pytest.approx(shown.expected, rel=1e-9, abs=0.0)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_process_is_at_work_somewhere(name):
    still = [
        p.name for p in network(name).processes
        if all(environments(name)[e].rate(p) == 0.0 for e in ENVIRONMENTS[name])
    ]
    assert still == []


def test_every_kind_is_compared():
    assert {p.kind for name in ENVIRONMENTS for p in network(name).processes} == set(KINDS)


def working(name, wanted):
    """First process for which `wanted(process, is drawn, reads oxygen)` holds and which is at work."""
    for process in network(name).processes:
        function = getattr(actors(model(name)), f"actor_{process.name}")
        if wanted(process, is_drawn(process, kinds(name)), OXYGEN in argument_names(function)):
            for environment in ENVIRONMENTS[name]:
                if environments(name)[environment].rate(process) != 0.0:
                    return environment, process.name
    raise LookupError("no such process")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("whole", lambda p, drawn, oxygen: p.kind == "division" and oxygen),
        ("whole", lambda p, drawn, oxygen: p.kind == "death" and drawn and not oxygen),
        ("whole", lambda p, drawn, oxygen: p.kind == "transition" and oxygen),
        ("whole", lambda p, drawn, oxygen: p.kind == "contact" and oxygen),
        ("whole", lambda p, drawn, oxygen: p.kind == "arrival" and drawn),
        ("whole", lambda p, drawn, oxygen: p.kind == "arrival" and not drawn),
        ("whole", lambda p, drawn, oxygen: p.kind == "decay" and drawn),
        ("whole", lambda p, drawn, oxygen: p.kind == "decay" and not drawn),
        ("whole", lambda p, drawn, oxygen: p.kind == "exchange"),
        ("toy", lambda p, drawn, oxygen: p.kind == "contact"),
        ("toy", lambda p, drawn, oxygen: p.kind == "secretion"),
        ("toy", lambda p, drawn, oxygen: p.kind == "uptake"),
    ],
)
def test_a_law_wrong_by_a_tenth_is_found(name, wanted):
    environment, process = working(name, wanted)
    for distort in (WRONG, 2.0 - WRONG):
        assert abs(compare(name, environment, process, distort, case=len(CASES) + 7).z) > LIMIT


def test_individuals_at_the_mean_oxygen_would_be_found(monkeypatch):
    """Averaging oxygen before the law instead of the law over the tissue is the mistake the classes are there for."""
    environment, process = working("whole", lambda p, drawn, oxygen: p.kind == "transition" and oxygen)
    frozen, chosen = environments("whole")[environment], process_of("whole", process)
    mean = float(frozen.shares() @ np.array(OXYGEN_CLASSES))

    def at_the_mean(environment, process, distort=1.0):
        function = getattr(actors(environment.model), f"actor_{process.name}").py_func
        names = argument_names(getattr(actors(environment.model), f"actor_{process.name}"))
        law = function(*(mean if n == OXYGEN else environment.values[n] for n in names))
        return Sight(np.ones(1), np.array([law]))

    monkeypatch.setattr("agreement.population.sight", at_the_mean)
    assert abs(show(frozen, chosen, len(CASES)).z) > LIMIT


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_states_change_by_what_events_add_up_to(name):
    """The right-hand side is the sum over processes of what one event does times its rate, over all active lesions."""
    compiled = model(name)
    bodies = {s.name for s in network(name).species if s.where == "body"}
    for environment in environments(name).values():
        lesions = [environment.at(b) for b in range(compiled.layout.n_lesions)]
        sums, gross = np.zeros(environment.y.size), np.zeros(environment.y.size)
        for process in network(name).processes:
            for b, here in enumerate(lesions if process.where == "lesion" else lesions[:1]):
                active = here.values.get("active", 1.0) if process.where == "lesion" else 1.0
                for species, amount in changes(process):
                    amount = here.values[amount] if isinstance(amount, str) else amount
                    i = compiled.index("states", species, 0 if species in bodies else b)
                    sums[i] += active * amount * here.rate(process)
                    gross[i] += abs(active * amount * here.rate(process))
        dy = np.zeros_like(sums)
        compiled.rhs(environment.y, environment.u, environment.th, dy)
        assert (np.abs(dy - sums) <= 1e-13 * gross).all()
        assert (gross > 0.0).any()


def test_compiled_individuals_get_the_same_bits():
    """What agents call is the compiled function; it equals the generated source run by Python, one of each kind."""
    frozen = environments("whole")["embolised"]
    seen = set()
    for process in network("whole").processes:
        function = getattr(actors(model("whole")), f"actor_{process.name}")
        names = argument_names(function)
        if (process.kind, OXYGEN in names) in seen:
            continue
        seen.add((process.kind, OXYGEN in names))
        values = [frozen.values.get(n, 7.3) for n in names]  # 7.3 mmHg: not one of the classes
        assert function(*values) == function.py_func(*values)


def test_local_signals_differ_from_tissue_means_only_where_known():
    """A signal that averages an oxygen law over the tissue is not what one individual would compute from its own oxygen.

    Where a process is linear in such a signal the means agree.  Where it is not, the difference is known and bounded:
    relative excess of the mean of local rates over the rate at the mean signal, untreated.
    """
    found = {}
    signals = {s.name: s for s in network("whole").signals if not s.parts}
    averaged = {n for n, s in signals.items() if OXYGEN in arguments(s.law, s.bind).values()}
    frozen = environments("whole")["untreated"]
    for process in network("whole").processes:
        function = getattr(actors(model("whole")), f"actor_{process.name}")
        reads = averaged & set(argument_names(function))
        if not reads:
            continue
        local = []
        for level in OXYGEN_CLASSES:
            values = dict(frozen.values) | {OXYGEN: level}
            for n in reads:
                s = signals[n]
                values[n] = s.law(**{a: values[v] for a, v in arguments(s.law, s.bind).items()})
            local.append(function.py_func(*(values[n] for n in argument_names(function))))
        excess = float(frozen.shares() @ np.array(local)) / sight(frozen, process).mean - 1.0
        if abs(excess) > 1e-9:
            found[process.name] = excess
    assert set(found) == set(SEES_TISSUE_MEAN)
    assert all(abs(excess) < 0.25 for excess in found.values()), found
