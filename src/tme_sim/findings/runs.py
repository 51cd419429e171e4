"""Runs of points of a study, and factors for parameters that a study does not name."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tme_sim.diagnostics import InputError, Key, Places, Problem, nearest, quoted
from tme_sim.quantities import QuantityError, convert, parse_number_or_quantity
from tme_sim.study.meaning import declared
from tme_sim.study.plan_table import FINDING
from tme_sim.validation import Problems

if TYPE_CHECKING:
    from tme_sim.scenario import Scenario
    from tme_sim.study import Study
    from tme_sim.study.factors import Factor

__all__ = [
    "LINKS", "LOOP", "Runs", "arrows_of", "cut_arms", "evidence_factors", "nominal_of", "number_factors", "plain_study",
]  # fmt: skip

CHUNK = 512  # runs between two words of progress
EVERY = 5.0  # seconds between them, where runs are kept
FEW = 1000  # runs for which worker processes would not pay for their start, again and again
DRUGS = ("kinetics", "drug_effects")  # mechanisms whose parameters a drug file sets
NOT_BIOLOGY = (  # numbers of the method: floors and widths that keep laws smooth, units, definitions
    "*_floor", "*_width", "few_*", "one_cell", "mmHg", "*_unit", "extrahepatic", "fate_*", "albi_reference",
    "albi_weight_*", "cp_*", "unseen_share",
)  # fmt: skip
# The loop O2 - HIF - {VEGF, ENTPD2, PD-L1} - vessels, MDSC, T cells - O2, and the arrows that lead into it.
LOOP = (
    "hypoxia_on_vegf", "hypoxia_on_entpd2", "hypoxia_on_atp", "hypoxia_on_pdl1", "hypoxia_on_mdsc_entry",
    "vegf_on_mdsc_entry", "amp_on_mdsc_differentiation", "perfusion_on_myeloid_entry", "perfusion_on_t_cell_entry",
    "vessels_on_cd8_entry", "vegf_on_dc_maturation", "adenosine_on_dc_maturation", "atp_on_dc_maturation",
    "vegf_on_exhaustion", "vegf_on_treg", "pd1_on_exhaustion", "pd1_on_stem", "pd1_on_killing", "mdsc_on_killing",
    "adenosine_on_killing", "treg_on_killing", "treg_on_priming", "oxygen_on_killing", "interferon_on_pdl1",
    "injury_on_vegf", "injury_on_tissue_vegf", "injury_on_IL6", "inflammation_on_marrow", "damage_on_dc_entry",
    "damage_on_monocytes", "hypoxia_on_doxorubicin", "perfusion_on_clearing",
)  # fmt: skip

# Links of the loop that are no single arrow of the network, and what is set to be without them.  Free VEGF acts on
# vessels through its signal alone, which saturates: with a half-saturation near 0 the signal stays what it is
# untreated, however little VEGF is left.  Kinase inhibitors act on the signal itself and still do.
LINKS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "hypoxia_on_all": ("HIF -> all that it drives", {
        f"biology.gains.{arrow}": 0.0 for arrow in LOOP if arrow.startswith("hypoxia_on_")}),
    "vegf_on_vessels": ("VEGF -> vessels", {"parameters.K_vegf_signal": "1e-6"}),
    "vessels_on_oxygen": ("vessels -> oxygen", {"biology.hypotheses.oxygen.vessels": "held"}),
}  # fmt: skip


class Runs:
    """Runs points of a study, remembering what is compiled and dated between calls.

    With `store` (a path) the runs are kept there, and those it holds already are not made again; `jobs` processes make
    the others (None: this one, or as many as there are cores where many are missing), and a large number of them asks
    for `yes`.
    """

    def __init__(
        self, study: Study, *, progress: Callable[[str], None] | None = None, store: Any = None,
        jobs: int | None = None, yes: bool = False,
    ):  # fmt: skip
        outputs = replace(study.outputs, endpoints=())  # any endpoint may be asked for
        self.study, self.progress, self.store = replace(study, outputs=outputs), progress, store
        self.jobs, self.yes = jobs, yes
        self._runner: Any = None
        self._last, self._open = 0.0, False  # when a word of progress was told, and whether it told of runs to come
        self._done = -1  # how many it told of

    def table(self, points: Sequence[tuple]) -> dict[str, np.ndarray]:
        """Factors, arm, replicate, status, message, endpoints and trajectories of points (values by factor name, arm,
        replicate), in order.
        """
        asked = replace(self.study.with_points(points), design=FINDING)
        if self.store is not None:
            return self._kept(asked)
        from tme_sim.row import Row
        from tme_sim.study.store import table_of_rows

        rows: list[Row] = []
        told = [(point[1], asked.changes(point)) for point in points]
        for begin in range(0, len(points), CHUNK):
            rows += self.runner.rows(told[begin : begin + CHUNK], threads=None)
            if self.progress is not None and len(points) > CHUNK:
                self.progress(f"runs: {len(rows)} of {len(points)}")
        return table_of_rows(asked.plan_table, rows)

    def afford(self, runs: int, *, disk_alone: bool = False) -> None:
        """Refuse a large number of runs before it is planned which they are, as a plan of millions takes minutes.

        Nothing is refused after a yes, or where no run is kept; with `disk_alone`, only what the disk does not hold.

        Raises:
            InputError: with the estimate and what to do.
        """
        if self.store is None or self.yes:
            return
        from tme_sim.study.expected import estimate_unplanned, refuse_large

        expected = estimate_unplanned(self.study, self.store, runs, self.jobs)
        if expected.size > expected.free or not disk_alone:
            refuse_large(self.study, expected)

    def _kept(self, asked: Study) -> dict[str, np.ndarray]:
        """The table of points whose runs are kept in the store."""
        from tme_sim.study import run_study
        from tme_sim.study.execute import in_process

        few = self.jobs is None and len(asked) < FEW and not (asked.outputs.runs or asked.agents)
        engine = in_process(self.runner) if few or self.jobs == 0 else None
        with run_study(asked, self.store, self.jobs, self.yes, self._told, engine=engine) as kept:
            return dict(kept.table(asked))

    def _told(self, progress: Any) -> None:
        """A word of progress, at most every few seconds; the last one says that all are done."""
        from time import monotonic

        more = progress.done < progress.total
        if self.progress is not None and (monotonic() - self._last > EVERY if more else self._open):
            self._last, self._open = monotonic(), more
            if progress.done != self._done or not more:
                self.progress(f"runs: {progress}")
            self._done = progress.done

    @property
    def runner(self) -> Any:
        """What runs points in this process."""
        if self._runner is None:
            from tme_sim.study.runner import Runner

            arms = {arm.name: self.study.scenario_of_arm(arm.name) for arm in self.study.arms}
            self._runner = Runner(arms, self.study.outputs, self.progress)
        return self._runner


def number_factors(study: Study) -> list[Factor]:
    """The factors of a study that have a range of numbers."""
    return [f for f in study.all_factors if not f.is_choice and np.isfinite([f.low, f.high]).all() and f.high > f.low]


def evidence_factors(study: Study, patterns: Iterable[str] = ("*",)) -> tuple[Study, list[Factor]]:
    """The study with one more factor per model parameter that matches a pattern, over the range of its evidence.

    A pattern with ``*`` leaves out parameters that a drug file sets, floors and widths of the method, constants, and
    what the study varies already.

    Raises:
        InputError: a pattern that matches nothing, with the nearest name.
    """
    from tme_sim.study.factors import Factor

    catalogue, patient = study.base.catalogue, study.base.patient
    known = catalogue.names()
    of_drugs = {p.name for m in catalogue.sources if m.name in DRUGS for p in (*m.parameters, *m.lesion_parameters)}
    followed = (link.factor for link in study.links)
    varied = {key.rpartition(".")[2] for f in (*study.all_factors, *followed) for key in f.keys}
    chosen: list[str] = []
    for pattern in patterns:
        hits = [n for n in known if fnmatch.fnmatchcase(n, pattern)]
        if not hits:
            said = nearest(pattern.strip("*?"), known) or "; tme-sim export parameters CONFIG --out FILE lists them"
            raise InputError(Problem("--parameters", quoted(pattern), f"is no parameter{said}"))
        if any(c in pattern for c in "*?["):
            hits = [
                n for n in hits if n not in of_drugs and not any(fnmatch.fnmatchcase(n, skip) for skip in NOT_BIOLOGY)
            ]
        chosen += [n for n in hits if n not in chosen and n not in varied and known[n].high > known[n].low]
    factors = []
    for name in chosen:
        one = known[name]
        low, high = (float(np.clip(v, *one.physical)) for v in (one.low, one.high))
        if name in catalogue.lesion_parameters:
            keys = tuple(f"patient.lesion.{i + 1}.{name}" for i in range(len(patient.lesion)))
        else:
            keys = (f"patient.{name}" if name in patient.parameters else f"parameters.{name}",)
        scale = "log" if low > 0 and high / low >= 10 else "linear"
        factors.append(Factor(name, keys, one.unit, low, high, scale, label=one.label or one.note))
    return replace(study, factors=(*study.factors, *factors), rows=(), given=()), factors


def nominal_of(study: Study, factor: Factor) -> float | None:
    """The value that every arm has for a factor's first key, in the unit of the factor; None if unknown or not one."""
    found = {_nominal(study.scenario_of_arm(arm.name), factor) for arm in study.arms}
    return found.pop() if len(found) == 1 else None


def _nominal(scenario: Scenario, factor: Factor) -> float | None:
    from tme_sim.overrides import locate

    key = factor.keys[0]
    path = locate(scenario._raw, key, Problems(Places("")))
    value = _at(scenario._raw, path)
    if value is None and path and path[0] == "patient":
        value = _at(scenario.resolved(), path)  # a default: the weight, say
    try:
        if factor.date:
            return None if value is None else _date_of(scenario, factor, value)
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            quantity = parse_number_or_quantity(value, factor.unit, key)
            return float(convert(quantity.value, quantity.unit, factor.unit))
    except QuantityError:  # in another kind of unit, mg and not mg/kg say, or no date
        return None
    name = key.rpartition(".")[2]
    if key.startswith("biology.gains."):
        return float(scenario.biology.gains.get(name, 1.0))
    known = declared(scenario, key)
    if known is None:
        return None
    given = {**scenario.parameters, **scenario.patient.parameters}
    held = key.removeprefix("parameters.") if key.startswith("parameters.") else name
    value, unit = given.get(held, (known.value, known.unit))
    return float(convert(value, unit, factor.unit))


def _at(data: Any, path: Key) -> Any:
    """What stands at a path of plain data, None for nothing."""
    for part in path:
        data = data[part] if isinstance(data, list) else data.get(part) if isinstance(data, dict) else None
    return data


def _date_of(scenario: Scenario, factor: Factor, value: Any) -> float | None:
    """A date as a factor counts it, in its unit from what it is relative to; None if only a run dates one of the two.

    Raises:
        QuantityError: not a date.
    """
    from tme_sim.protocol import TICKS_PER_DAY, parse_when

    own, origin = parse_when(value), parse_when(factor.written(0.0))
    if (own.anchor.lower(), own.which, own.phase) == (origin.anchor.lower(), origin.which, origin.phase):
        ticks = own.offset - origin.offset
    else:
        both = [scenario.calendar.tick_of(when) for when in (own, origin)]
        if None in both:
            return None
        ticks = both[0] - both[1]
    return float(convert(ticks / TICKS_PER_DAY, "day", factor.unit))


def arrows_of(study: Study) -> dict[str, str]:
    """What can be cut, and what it is: the arrows of the network, and the links that are made of several or of none."""
    return {**study.base.catalogue.arrows, **{name: meaning for name, (meaning, _) in LINKS.items()}}


def cut_arms(study: Study, arrows: Sequence[str]) -> tuple[Study, dict[str, tuple[str, str]]]:
    """The study with every arm repeated with each arrow cut; and what each new arm is: (arrow or "none", arm).

    Raises:
        InputError: an arrow that is not there, with the nearest name; or one that a factor of the study sets.
    """
    from tme_sim.findings.knockouts import WHOLE
    from tme_sim.study import Arm

    known = arrows_of(study)
    varied = {key: factor.name for factor in study.all_factors for key in factor.keys}
    arms, meaning = [], {}
    for arrow in (WHOLE, *arrows):
        if arrow not in (WHOLE, *known):
            raise InputError(Problem("--arrow", quoted(arrow), f"is no arrow of the network{nearest(arrow, known)}"))
        cut = {} if arrow == WHOLE else LINKS[arrow][1] if arrow in LINKS else {f"biology.gains.{arrow}": 0.0}
        for key in cut:
            if key in varied:
                said = f"cannot be cut: factor {quoted(varied[key])} of the study sets {key}; leave one of them out"
                raise InputError(Problem("--arrow", quoted(arrow), said))
        for arm in study.arms:
            name = f"{arm.name} / {arrow}"
            arms.append(Arm(name, {**arm.changes, **cut}))
            meaning[name] = (arrow, arm.name)
    return replace(study, arms=tuple(arms)), meaning


def plain_study(study: Study) -> Study:
    """The study without rows of its own, for points that are asked for one by one."""
    return replace(study, rows=(), given=())
