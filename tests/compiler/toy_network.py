"""A small network that uses every process kind: a drug in the body, two kinds of cells and a field in each lesion."""

from tme_sim.laws import hill, saturate
from tme_sim.network import (
    Balance,
    Held,
    Hypothesis,
    Mechanism,
    Modulation,
    Reference,
    Signal,
    Species,
    Total,
    arrival,
    compose,
    contact,
    death,
    decay,
    division,
    exchange,
    secretion,
    transition,
    uptake,
)
from tme_sim.quantities import Parameter


def parameter(name, value, unit, low=0.0, high=1e12):
    return Parameter(name, value, unit, "toy", "assumed", low, high, "")


def grow(k_grow, oxygen, K_grow):
    return k_grow * saturate(oxygen, K_grow)


def rest_arrest(k_rest, oxygen, K_grow):
    return k_rest * hill(K_grow, oxygen, 2.5)


def shares_of(crowd, volume, cells_start):
    """Tissue that is the more hypoxic the more cells crowd it; six shares that sum to 1."""
    crowded = crowd * volume / (crowd * volume + cells_start)
    return (crowded / 3, crowded / 3, crowded / 3, (1 - crowded) / 3, (1 - crowded) / 3, (1 - crowded) / 3)


TUMOUR = Mechanism(
    "toy_tumour",
    "toy",
    parameters=(
        parameter("K_grow", 3.0, "mmHg"),
        parameter("k_rest", 0.2, "1/day"),
        parameter("k_die", 0.01, "1/day"),
        parameter("touch", 5e-6, "mm^3/cell"),
        parameter("k_kill", 4.0, "1/day"),
        parameter("cells_start", 1e6, "cell"),
        parameter("volume", 10.0, "mm^3"),
        parameter("q_signal", 1e-3, "nmol/mm^3*mm^3/cell/day"),
        parameter("k_signal", 2.0, "1/day"),
        parameter("u_signal", 1e-4, "nmol/mm^3*mm^3/cell/day"),
        parameter("guards_start", 50.0, "cell/mm^3"),
        parameter("k_guard", 0.1, "1/day"),
    ),
    lesion_parameters=(parameter("present", 1.0, "1"), parameter("rate", 0.01, "1/day")),
    held=(Held("active", "1", "present", where="lesion", initial="present"),),
    species=(
        Species("awake", "cell", "awake cells", initial="cells_start", scale=1.0),
        Species("asleep", "cell", "sleeping cells", initial=lambda cells_start: cells_start / 4, scale=1.0),
        Species("dead", "cell", "dead cells", initial=0.0, scale=1.0),
        Species("guard", "cell/mm^3", "guards", initial="guards_start", scale=1.0),
        Species("signal", "nmol/mm^3", "signal", initial=0.0, scale=1e-6, kind="field"),
    ),
    signals=(
        Signal("crowd", lambda awake, asleep, volume: (awake + asleep) / volume, "cell/mm^3", "density", pivot=True),
        Signal("oxygen_share", shares_of, "1", "shares", parts=6),
        Signal("alarm", lambda signal, signal_half: saturate(signal, signal_half), "1", "alarm"),
    ),
    totals=(Total("burden", lambda awake, asleep: awake + asleep, "cell", "all cells"),),
    processes=(
        division("growth", "awake", grow, "growth"),
        transition("rest", "awake", "asleep", rest_arrest, "falling asleep"),
        transition("rise", "asleep", "awake", lambda k_rise: k_rise, "waking"),
        death("loss", "awake", lambda k_die: k_die, "death", into="dead"),
        contact("kill", "awake", "guard", "touch", lambda k_kill: k_kill, "killing", into="dead"),
        arrival("guard_in", "guard", lambda q_guard, blood, blood_start: q_guard * blood / blood_start, "guards arrive"),
        decay("guard_out", "guard", lambda k_guard: k_guard, "guards leave"),
        secretion("signal_in", "signal", "guard", lambda q_signal, one_density: q_signal * one_density, "secretion"),
        uptake("signal_out", "signal", "guard", lambda signal, u_signal, signal_half: u_signal * saturate(signal, signal_half),
               "uptake"),
        decay("signal_loss", "signal", lambda k_signal: k_signal, "loss"),
        exchange("leak", "signal", "plasma", lambda leak_rate, signal: leak_rate * signal, "leak", amount="leak_volume"),
    ),
    modulations=(Modulation("alarm_on_kill", "kill", lambda alarm: 1 + alarm, "alarm -> killing"),),
    balances=(
        Balance("k_grow", "awake", "1/day", "growth rate", grows="rate"),
        Balance("q_guard", "guard", "cell/mm^3/day", "influx of guards"),
        Balance("k_rise", "asleep", "1/day", "waking", grows="rate"),
    ),
    references=(Reference("crowd_start", "crowd", "cell/mm^3", "density at the start"),),
    hypotheses=(
        Hypothesis("kill.law", "double", "killing twice as fast", "toy", laws={"kill": lambda k_kill: 2 * k_kill}),
    ),
)

BODY = Mechanism(
    "toy_body",
    "toy",
    parameters=(
        parameter("signal_half", 1e-2, "nmol/mm^3"),
        parameter("one_density", 1.0, "1"),
        parameter("one", 1.0, "cell"),
        parameter("leak_rate", 0.3, "1/day"),
        parameter("leak_volume", 0.01, "1"),
        parameter("k_clear", 0.5, "1/day"),
        parameter("k_blood", 0.05, "1/day"),
        parameter("blood0", 300.0, "cell/mm^3"),
    ),
    held=(Held("infusion", "nmol/mm^3/day", "infusion"),),
    species=(
        Species("plasma", "nmol/mm^3", "plasma", where="body", kind="pool", initial=0.0, scale=1e-6),
        Species("blood", "cell/mm^3", "blood guards", where="body", kind="cell", initial="blood0", scale=1.0),
    ),
    signals=(Signal("drive", lambda burden, burden_start, one: (burden + one) / (burden_start + one), "1", "drive", where="body"),),
    processes=(
        arrival("infuse", "plasma", lambda infusion: infusion, "infusion", where="body"),
        decay("clear", "plasma", lambda k_clear: k_clear, "clearance", where="body"),
        arrival("blood_in", "blood", lambda q_blood, drive: q_blood * drive, "marrow", where="body"),
        decay("blood_out", "blood", lambda k_blood: k_blood, "blood loss", where="body"),
    ),
    balances=(Balance("q_blood", "blood", "cell/mm^3/day", "marrow output"),),
    references=(Reference("burden_start", "burden", "cell", "burden at the start", where="body"),),
)


def toy(**kwargs):
    """The composed toy network."""
    return compose([TUMOUR, BODY], **kwargs)
