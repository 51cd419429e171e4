"""The same scenario gives the same bytes: over threads, chunks, neighbours, restarts, processors, C libraries, clocks."""

from __future__ import annotations

import dataclasses
import json
from functools import cache

import numpy as np
import pytest

import tme_sim
from tests.promises import draws as d
from tests.promises import fingerprint, golden
from tests.promises.processes import python
from tme_sim import simulation
from tme_sim.engine import codes, rng, run
from tme_sim.outcome import observe_all
from tme_sim.plan import plan_of

# --- the table ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", golden.names())
def test_a_shipped_scenario_gives_the_bytes_of_the_table(name):
    now, then = golden.digests(name), golden.stored()["table"][name]
    differ = [file for file in then if now[file] != then[file]]
    assert not differ, f"{name}: {differ} changed; if that is meant: python -m tests.promises.golden --write"
    assert set(now) == set(then)


def test_the_table_belongs_to_the_numerics_version_that_the_changelog_tells():
    held = golden.stored()
    assert set(held["table"]) == set(golden.names())
    assert golden.problems(held, golden.CHANGELOG.read_text(encoding="utf-8"), tme_sim.__numerics__) == []


LOG = """# Changelog
## Unreleased
### Changes results
* Numerics version 3: finer steps.
## 0.2.0
### Changes results
* Numerics version 2: other steps.
### Added
* Numerics version 9: no line of results.
"""


def test_a_change_of_results_without_number_or_line_is_found():
    held = {"numerics": 3, "table": {"a": {}}}
    assert golden.told(LOG) == [("Unreleased", 3), ("0.2.0", 2)]
    assert golden.problems(held, LOG, 3) == []
    assert golden.problems({**held, "numerics": 2}, LOG, 3)
    assert golden.problems(held, LOG, 4) and golden.problems(held, LOG.replace("version 3", "version 1"), 3)
    assert golden.may_renew(held, LOG, 3, {"a": {"x": "1"}}) == ""
    assert "first tell it" in golden.may_renew(held, LOG, 4, {})
    released = LOG.replace("Unreleased", "0.3.0")
    assert golden.may_renew(held, released, 3, held["table"]) == ""
    assert "raise tme_sim.__numerics__" in golden.may_renew(held, released, 3, {"a": {"x": "1"}})


# --- batches, restarts ----------------------------------------------------------------------------------------------------


@cache
def some_patients() -> tuple[d.Case, d.Prepared]:
    """Twenty patients near the one of the shipped scenario."""
    case = d.case(days=90)
    return case, d.prepare(case, d.draws(case, 0.3, 20, seed=21), 8)


COMPARED = ("y", "u", "out_y", "out_obs", "carry_i", "carry_f", "ledger")


def test_a_batch_gives_the_same_bits_for_any_threads_chunks_and_neighbours():
    case, ready = some_patients()
    base = d.go(case, ready, threads=1)
    assert np.sum(base.code == codes.OK) >= 18
    for options in ({"threads": 2, "chunk": 1}, {"threads": 4, "chunk": 3}, {"threads": 1, "chunk": 512},
                    {"threads": 1, "lanes": True}, {"threads": 2, "lanes": True, "chunk": 5}):
        other = d.go(case, ready, **options)
        for name in COMPARED:
            assert np.array_equal(getattr(base, name), getattr(other, name), equal_nan=True), (options, name)
    for rows in ([19, 3, 11], [7], list(range(19, -1, -1))):
        other = d.go(case, ready, rows=rows, threads=2, chunk=2)
        assert np.array_equal(other.out_y, base.out_y[rows], equal_nan=True), rows


def on_its_own(p: int) -> tuple[np.ndarray, np.ndarray, int]:
    """States, signals and steps tried of one patient, run as a lone scenario is."""
    case, ready = some_patients()
    setup = dataclasses.replace(case.ready, par=ready.par[p], y0=ready.y0[p], u0=ready.u0[p], th=ready.th[p],
                                jumps=(*ready.jumps[:2], ready.values[p]), queue=ready.queues[p])
    states, held, stats = simulation._integrate(case.plan, setup, d.ticks(case), None)
    return states, observe_all(case.model, states, held, ready.th[p]), stats["steps"] + stats["rejected"]


def test_a_run_on_its_own_equals_its_row_of_a_batch():
    base = d.go(*some_patients())
    for p in np.flatnonzero(base.code == codes.OK)[::4]:
        states, _, steps = on_its_own(p)
        assert np.array_equal(states, base.out_y[p]) and steps == base.carry_i[p, codes.STEPS]


def test_signals_of_a_run_on_its_own_equal_its_row_of_a_batch():
    base = d.go(*some_patients())
    for p in np.flatnonzero(base.code == codes.OK)[::4]:
        assert np.array_equal(on_its_own(p)[1], base.out_obs[p])


def test_pauses_reloads_records_and_clocks_change_no_bit():
    case = d.case(days=90)
    plan, ready, ticks = case.plan, case.ready, d.ticks(case)
    whole, held, _ = simulation._integrate(plan, ready, ticks, None)
    settings = run.Options(rtol=plan.rtol, atol=case.model.tolerances(plan.rtol), max_steps=plan.max_steps)

    def go(**options):
        state, out = run.new_state(ready.y0, ready.u0, ready.queue, start_tick=plan.start), np.full_like(whole, np.nan)
        while True:
            pause = options["pauses"].pop(0) if options.get("pauses") else run.NEVER
            code = run.advance(case.functions, state, ready.th, plan.stop, settings, ready.jumps, out_ticks=ticks, out_y=out,
                               pause_tick=pause, records=options.get("records"), wall_seconds=options.get("wall"),
                               call_steps=options.get("steps", run.NEVER))
            if code != codes.PAUSED:
                assert code == codes.OK
                return out
            state = run.State(**{k: np.frombuffer(v.tobytes(), v.dtype).reshape(v.shape).copy() for k, v in vars(state).items()})

    for seed in range(3):
        pauses = sorted(int(t) for t in np.random.default_rng(seed).integers(plan.start, plan.stop, 20))
        assert np.array_equal(go(pauses=pauses), whole)
    assert np.array_equal(go(steps=1), whole)
    assert np.array_equal(go(records=run.Records()), whole)
    assert np.array_equal(go(wall=1e6), whole)


# --- arms share randomness ------------------------------------------------------------------------------------------------


def test_arms_share_the_patient_and_their_draws():
    setups = {name: simulation.set_up(plan_of(golden.scenario(name))) for name in golden.SCENARIOS}
    first = setups["untreated"]
    seeds = {golden.scenario(name).seed for name in golden.SCENARIOS}
    assert len(seeds) == 1
    drugs = ("trap_", "tki_", "pd1_", "ctla4_", "chemo_", "chemo2_")
    mine = [i for i, n in enumerate(first.model.parameter_names) if not n.startswith(drugs)]
    bodies = [i for i, n in enumerate(first.model.state_names) if not n.startswith(drugs)]
    assert len(mine) > 200
    for name, other in setups.items():
        assert other.model.digest == first.model.digest, "arms of one trial share the compiled model"
        assert np.array_equal(other.par[mine], first.par[mine]), name
        assert np.array_equal(other.y0[bodies], first.y0[bodies]), name
    # a draw is addressed by seed, patient, lineage, step, purpose and number: nothing of it tells the arm
    address = rng.uniform.py_func.__code__.co_varnames[: rng.uniform.py_func.__code__.co_argcount]
    assert address == ("seed", "patient", "lineage", "step", "purpose", "draw")


def test_arms_run_alike_until_the_first_treatment_that_differs():
    text = {day: (f'start = "day {day}"') for day in (40, 60)}
    toml = '[[patient.lesion]]\ndiameter = "40 mm"\n[[protocol.treatment]]\nkind = "tace"\n{}\n[run]\nduration = "80 day"\n'
    runs = [tme_sim.simulate(tme_sim.Scenario.from_text(toml.format(text[day]))) for day in (40, 60)]
    before = runs[0].time < 40.0
    differ = 0.0
    for name, values in runs[0].columns.items():
        other = runs[1].columns[name]
        size = np.max(np.abs(values[before]))
        if size > 0.0:
            assert np.max(np.abs(values - other)[before]) <= 1e-4 * size, name
            differ = max(differ, float(np.max(np.abs(values - other)) / size))
    assert differ > 0.1


# --- processes of their own -----------------------------------------------------------------------------------------------


def shown(*names: str, timeout: float = 280.0, **environment: str) -> dict:
    """What a process with a changed environment shows."""
    done = python("-m", "tests.promises.fingerprint", *names, timeout=timeout, **environment)
    assert done.returncode == 0, done.stderr[-800:]
    return json.loads(done.stdout)


def flags() -> set[str]:
    """Instruction sets of this processor."""
    with open("/proc/cpuinfo", encoding="ascii") as file:
        line = next((one for one in file if one.startswith("flags")), "flags :")
    return set(line.split(":", 1)[1].split())


OLD_LIBM = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL,-AVX512DQ,-AVX512BW,-AVX512CD"
OLD_NUMPY = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX2 FMA3 AVX512F AVX512_SKX"


AVX512 = "avx512f" in flags()


def numpy_features() -> str:
    """Those of OLD_NUMPY that this numpy can switch off."""
    from numpy._core import _multiarray_umath as core

    return " ".join(name for name in OLD_NUMPY.split() if name in core.__cpu_dispatch__ and core.__cpu_features__.get(name))


@cache
def switched() -> dict:
    """A process with every switch turned that needs no compilation."""
    return shown(
        GLIBC_TUNABLES=OLD_LIBM, NPY_DISABLE_CPU_FEATURES=numpy_features(), NUMBA_NUM_THREADS="1", TZ="Pacific/Kiritimati",
        LC_ALL="C.UTF-8", PYTHONHASHSEED="7",
    )


def test_every_switch_at_once_changes_no_byte_of_the_trajectory():
    other, mine = switched(), golden.table()
    for name, files in mine.items():
        for file in files.keys() - {"summary.json"}:
            assert other["table"][name][file] == files[file], (name, file)


def test_every_switch_at_once_changes_no_byte_of_the_endpoints():
    other, mine = switched(), golden.table()
    assert {name: files["summary.json"] for name, files in other["table"].items()} == {
        name: files["summary.json"] for name, files in mine.items()
    }


def test_the_switches_were_felt():
    other = switched()
    assert other["threads"] == 1 and other["zone"][0] == "+14" and other["locale"] == "C.UTF-8"
    if "fma" in flags():
        assert other["libm"] != fingerprint.libm()
    if numpy_features():
        assert other["numpy"] != fingerprint.numpy_mark()


@pytest.mark.parametrize(("zone", "language"), [("UTC", "C"), ("America/St_Johns", "POSIX"), ("Asia/Kathmandu", "C.UTF-8")])
@pytest.mark.slow
def test_time_zone_and_locale_change_no_byte(zone, language):
    assert shown(TZ=zone, LC_ALL=language)["table"] == golden.table()


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_number_of_threads_changes_no_byte(threads):
    other = shown(NUMBA_NUM_THREADS=threads)
    assert other["table"] == golden.table() and other["threads"] == int(threads)


@pytest.mark.slow
@pytest.mark.parametrize("tunables", ["-AVX2,-FMA,-FMA4", "-AVX512F,-AVX512VL", OLD_LIBM.partition("=")[2]])
def test_the_variant_of_the_c_library_changes_no_byte(tunables):
    other = shown(GLIBC_TUNABLES=f"glibc.cpu.hwcaps={tunables}")
    assert other["table"] == golden.table()
    if "fma" in flags() and "-FMA" in tunables:
        assert other["libm"] != fingerprint.libm()


@pytest.mark.slow
def test_the_instruction_sets_of_numpy_change_no_byte():
    every = numpy_features().split()
    for features in {" ".join(every), " ".join(f for f in every if f != "X86_V3"), ""}:
        assert shown(NPY_DISABLE_CPU_FEATURES=features)["table"] == golden.table()


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("cpu", "seed"), [("generic", "1"), ("haswell", "2")])
def test_the_processor_compiled_for_and_the_order_of_hashes_change_no_byte(tmp_path, cpu, seed):
    (tmp_path / "cache").mkdir(mode=0o700)
    other = shown(timeout=1400.0, NUMBA_CPU_NAME=cpu, PYTHONHASHSEED=seed, TME_SIM_CACHE=str(tmp_path / "cache"))
    assert other["cpu"] == cpu and list((tmp_path / "cache" / "models").iterdir())
    assert other["table"] == golden.table()
