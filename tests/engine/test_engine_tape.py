"""Tapes of which a part is zero: what stays at zero is found, and what a zero makes trivial is not recorded."""

from tme_sim.compiler.flatten import flatten
from tme_sim.engine import tape as t

# a drug (0 depot, 1 blood) that an input fills, cells (2) that it kills, a state (3) of cells that are not there yet
TEXT = """def rhs(y, u, th, dy):
    dose = u[0]
    effect = th[1]*y[1]/(th[2] + y[1])
    dy[0] = dose - th[0]*y[0]
    dy[1] = th[0]*y[0]*exp(th[3]) - (th[4] + y[1])*y[1]
    dy[2] = th[5] - effect*y[2]
    dy[3] = th[6]*y[2] - y[3]
"""


def written(tape):
    return flatten(TEXT, "rhs", tape)


def test_what_stays_at_zero_is_found_from_the_rates():
    tape = t.Tape()
    rates = written(tape)
    assert t.absent_states(tape, rates, (0, 1, 3), (0,)) == (0, 1)  # state 3 is fed by the cells
    assert t.absent_states(tape, rates, (0, 1, 3), ()) == ()  # the drug may be given
    assert t.absent_states(tape, rates, (1, 3), (0,)) == ()  # the depot holds some
    assert t.absent_states(tape, rates, (), (0,)) == ()


def test_zeros_are_not_computed_with():
    tape = t.PartialTape({"y": {2: 0, 3: 1}})
    rates = written(tape)
    assert tape.kinds[rates["dy", 2]] == ("input", "th", 5)
    assert tape.kinds[rates["dy", 1]] == ("constant", 0.0)
    needed = [tape.kinds[v][0] for v in tape.needed([rates["dy", 2], rates["dy", 3]])]
    assert needed == [t.MULTIPLY, t.SUBTRACT]
    assert {kind for kind in tape.kinds if kind[0] == "input" and kind[1] == "y"} == {("input", "y", 0), ("input", "y", 1)}
