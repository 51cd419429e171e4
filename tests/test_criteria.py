"""Criteria on hand-made lesion histories, by the published definitions."""

import numpy as np
import pytest

from tme_sim import criteria as k
from tme_sim.imaging import ONE_READER, read_diameter, see_lesions, sphere_diameter

DAY = 1440
RECIST, MRECIST, RECICL = k.RECIST11, k.MRECIST, k.RECICL


def lesion(whole, viable=None, *, present=1.0, outside=0.0, arterial=1.0):
    return [whole, whole if viable is None else viable, present, outside, arterial]


def read(*visits, every=56, start=0, clinic=(), **settings):
    """Memory after visits every 56 days; each is a list of lesions; `clinic` maps a visit's number to what else it saw."""
    chosen = k.default_settings()
    for name, value in settings.items():
        chosen[getattr(k, name.upper())] = value
    memory = np.zeros(k.memory_size(len(visits[0])))
    statuses = []
    for number, lesions in enumerate(visits):
        seen = np.array([0.0, 0.0, 5.0, 0.0, 10.0])
        for name, value in dict(clinic).get(number, {}).items():
            seen[getattr(k, name.upper())] = value
        k.read_visit((start + number * every) * DAY, np.array(lesions, dtype=float), seen, chosen, memory)
        statuses.append([k.RESPONSES[int(memory[k.block(c) + k.STATUS])] for c in range(3)])
    return memory, [list(s) for s in zip(*statuses[1:], strict=True)] or [[], [], []]


def of(memory, criterion, name):
    return memory[k.block(criterion) + getattr(k, name.upper())]


def progression_day(memory, criterion):
    return of(memory, criterion, "progression_tick") / DAY


def one(*sizes, **kwargs):
    return read(*[[lesion(s)] for s in sizes], **kwargs)


# --- RECIST 1.1 -----------------------------------------------------------------------------------------------------------


def test_thirty_percent_smaller_is_partial_and_less_is_not():
    assert one(100, 70)[1][RECIST] == ["PR"]
    assert one(100, 70.1)[1][RECIST] == ["SD"]


def test_progression_counts_from_the_smallest_sum():
    memory, statuses = one(100, 60, 66, 72)
    assert statuses[RECIST] == ["PR", "PR", "PD"]
    assert progression_day(memory, RECIST) == 168 and of(memory, RECIST, "cause") == k.EXISTING
    assert of(memory, RECIST, "response_tick") == 56 * DAY


def test_visits_before_day_0_are_visits_like_others():
    memory, statuses = read([lesion(50)], [lesion(50)], [lesion(62)], start=-70)
    assert statuses[RECIST] == ["SD", "PD"] and progression_day(memory, RECIST) == 42
    memory, statuses = read([lesion(50)], [lesion(62)], start=-70)
    assert statuses[RECIST] == ["PD"] and progression_day(memory, RECIST) == -14
    assert of(memory, RECIST, "cause") == k.EXISTING


def test_recist_asks_for_five_millimetres_and_mrecist_does_not():
    assert one(20, 24.5)[1][RECIST] == ["SD"]
    assert one(20, 24.5)[1][MRECIST] == ["PD"]


def test_gone_is_complete_and_its_return_progression():
    memory, statuses = one(40, 4.9, 6)
    assert statuses[MRECIST] == ["CR", "PD"]
    assert of(memory, MRECIST, "best") == k.CR and of(memory, MRECIST, "depth") == -1.0


def test_best_response_and_depth_stop_at_progression():
    memory, statuses = one(50, 62, 20)
    assert statuses[RECIST] == ["PD", "PR"]
    assert of(memory, RECIST, "best") == k.PD and of(memory, RECIST, "depth") == pytest.approx(0.24)


def test_two_targets_per_organ_the_largest_ones():
    start = [lesion(30), lesion(50), lesion(20), lesion(12, outside=1.0)]
    memory, _ = read(start)
    assert of(memory, RECIST, "n_targets") == 3 and of(memory, RECIST, "baseline") == 92
    assert of(memory, RECICL, "n_targets") == 4
    assert of(read(start, per_organ=5, targets=5)[0], RECIST, "n_targets") == 4


def test_lesions_that_do_not_enhance_are_no_targets_of_mrecist():
    memory, _ = read([lesion(30, arterial=0.0), lesion(20)])
    assert of(memory, MRECIST, "baseline") == 20 and of(memory, RECIST, "baseline") == 50


def test_non_targets_prevent_a_complete_response():
    start = [lesion(30), lesion(25), lesion(11)]
    assert read(start, [lesion(0), lesion(0), lesion(11)])[1][RECIST] == ["PR"]
    assert read(start, [lesion(0), lesion(0), lesion(4)])[1][RECIST] == ["CR"]


def test_non_targets_progress_only_when_the_whole_burden_does():
    start = [lesion(50), lesion(40), lesion(12)]
    assert read(start, [lesion(40), lesion(40), lesion(20)])[1][RECIST] == ["SD"]
    assert read(start, [lesion(45), lesion(40), lesion(40)])[1][RECIST] == ["PD"]


# --- new lesions ------------------------------------------------------------------------------------------------------


def test_a_new_liver_lesion_is_progression_once_it_can_be_seen():
    memory, statuses = read([lesion(50), lesion(7)], [lesion(30), lesion(9.9)], [lesion(30), lesion(10)])
    assert statuses[RECIST] == ["PR", "PD"] == statuses[MRECIST]
    assert statuses[RECICL] == ["PR", "PR"]
    assert of(memory, RECIST, "cause") == k.NEW_LIVER and of(memory, RECIST, "best") == k.PR


def test_gate_of_li_rads_needs_the_vascular_pattern():
    visits = [lesion(50), lesion(7, arterial=0.0)], [lesion(50), lesion(15, arterial=0.0)]
    assert read(*visits)[1][RECIST] == ["PD"]
    assert read(*visits, gate=1.0)[1][RECIST] == ["SD"]
    assert read(visits[0], [lesion(50), lesion(15)], gate=1.0)[1][RECIST] == ["PD"]


def test_atypical_nodule_counts_in_mrecist_after_ten_millimetres_and_from_its_first_sight():
    grows = [[lesion(50), lesion(s, arterial=0.0)] for s in (0, 11, 15, 21)]
    memory, statuses = read(*grows)
    assert statuses[MRECIST] == ["SD", "SD", "PD"]
    assert of(memory, MRECIST, "called_tick") == 168 * DAY and progression_day(memory, MRECIST) == 56


def test_extrahepatic_lesion_is_progression_by_every_criterion_and_the_gravest_cause():
    memory, statuses = read([lesion(50), lesion(0), lesion(0, outside=1.0)], [lesion(50), lesion(12), lesion(12, outside=1.0)])
    assert [s[0] for s in statuses] == ["PD", "PD", "PD"]
    assert [of(memory, c, "cause") for c in range(3)] == [k.SPREAD] * 3
    assert memory[k.UNTACEABLE_TICK] == 56 * DAY and memory[k.UNTACEABLE_REASON] == k.METASTATIC


def test_a_lesion_that_is_not_there_is_not_seen():
    assert read([lesion(50), lesion(40, present=0.0)], [lesion(50), lesion(40, present=0.0)])[1][RECIST] == ["SD"]


def test_new_vascular_invasion_is_progression_and_that_at_baseline_is_not():
    memory, statuses = read([lesion(50)], [lesion(50)], clinic={1: {"invasion": 1.0}})
    assert statuses[RECIST] == ["PD"] and memory[k.UNTACEABLE_REASON] == k.VASCULAR
    memory, statuses = read([lesion(50)], [lesion(50)], clinic={0: {"invasion": 1.0}, 1: {"invasion": 1.0}})
    assert statuses[RECIST] == ["SD"] and memory[k.UNTACEABLE_TICK] == k.NEVER


# --- mRECIST, RECICL ----------------------------------------------------------------------------------------------------


def test_criteria_differ_when_a_lesion_is_dead_but_not_shrunk():
    _, statuses = read([lesion(50)], [lesion(49, 0)])
    assert [s[0] for s in statuses] == ["SD", "CR", "CR"]


def test_recicl_reads_areas_against_baseline():
    assert read([lesion(50)], [lesion(50, 35)])[1][RECICL] == ["PR"]  # 49 % of the area is left
    assert read([lesion(50)], [lesion(50, 36)])[1][RECICL] == ["SD"]
    assert read([lesion(50)], [lesion(55.8, 10)])[1][RECICL] == ["PR"]
    assert read([lesion(50)], [lesion(56, 10)])[1][RECICL] == ["PD"]  # area up by a quarter, whatever is dead


def test_without_a_second_visit_nothing_is_evaluable():
    memory, _ = one(30)
    assert of(memory, MRECIST, "best") == k.NE and np.isnan(of(memory, MRECIST, "depth"))
    assert of(memory, MRECIST, "progression_tick") == k.NEVER


# --- the end of TACE ------------------------------------------------------------------------------------------------------


def after_sessions(sizes, afp=(10, 10, 10), gap=40):
    """A session on the day of each visit but the last; the next visit judges it."""
    visits = [[lesion(60, s)] for s in sizes]
    clinic = {
        i: {"sessions": i, "session_tick": ((i - 1) * 56 + 56 - gap) * DAY if i else 0, "afp": afp[i]}
        for i in range(len(sizes))
    }
    return read(*visits, clinic=clinic)[0]


def test_two_insufficient_sessions_in_a_row_are_refractoriness():
    memory = after_sessions((60, 50, 45))
    assert memory[k.TACE_PFS_TICK] == 112 * DAY and memory[k.TACE_PFS_REASON] == k.REFRACTORY
    assert memory[k.UNTACEABLE_TICK] == k.NEVER
    assert after_sessions((60, 50, 30))[k.TACE_PFS_TICK] == k.NEVER  # the second one left a third


def test_a_session_is_judged_no_earlier_than_a_month_after_it():
    assert after_sessions((60, 50, 45), gap=20)[k.TACE_PFS_TICK] == k.NEVER


def test_afp_that_rises_through_two_sessions_is_refractoriness():
    assert after_sessions((60, 30, 15), afp=(100, 130, 170))[k.TACE_PFS_REASON] == k.REFRACTORY
    assert after_sessions((60, 30, 15), afp=(100, 130, 140))[k.TACE_PFS_TICK] == k.NEVER


def test_growth_and_child_pugh_c_end_treatability():
    memory, _ = one(50, 56)
    assert memory[k.UNTACEABLE_TICK] == 56 * DAY == memory[k.TACE_PFS_TICK] and memory[k.UNTACEABLE_REASON] == k.GROWTH
    memory, _ = read([lesion(50)], [lesion(50)], clinic={1: {"child_pugh": 10.0}})
    assert memory[k.UNTACEABLE_REASON] == k.LIVER


# --- imaging ----------------------------------------------------------------------------------------------------------------


def test_sphere_of_one_millilitre_is_12_4_mm_wide():
    assert sphere_diameter(1000.0) == pytest.approx(np.cbrt(6000 / np.pi), rel=1e-15)
    assert sphere_diameter(0.0) == 0.0


def test_error_of_a_reading_is_off_by_default_and_lognormal_when_asked():
    def reading(patient, visit=3, error=ONE_READER, slot=1):
        return read_diameter(40.0, error, *(np.uint64(v) for v in (7, patient, slot, visit, 0)))

    assert reading(1, error=0.0) == 40.0 and reading(1) == reading(1) != reading(1, visit=4)
    logs = np.log([reading(p) / 40.0 for p in range(4000)])
    assert abs(logs.mean()) < 4 * ONE_READER / np.sqrt(4000)
    assert logs.std() == pytest.approx(ONE_READER, rel=0.05)


def test_a_visit_sees_spheres():
    out = np.zeros((2, k.LESION_COLUMNS))
    see_lesions(*np.array([[1000.0, 8000.0], [500.0, 9000.0], [1, 0], [0, 1], [1, 1]], dtype=float), 0.0,
                np.uint64(1), np.uint64(1), np.uint64(0), out)
    assert out[0, k.WHOLE] == sphere_diameter(1000.0) and out[0, k.VIABLE] == sphere_diameter(500.0)
    assert out[1].tolist() == [sphere_diameter(8000.0), sphere_diameter(8000.0), 0.0, 1.0, 1.0]
