"""Virtual patients: named draws turned into changes of a scenario.

A number depends on (seed, patient, name of the draw, lesion, attempt) and on nothing else, so a patient stays the same
when others are added, when draws are added to the files, and in whatever order patients are made.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tme_sim.cohort.cohort import PER_LESION, SPECIAL, Cohort, factor_of
from tme_sim.cohort.distributions import quantile
from tme_sim.diagnostics import InputError, Problem
from tme_sim.quantities import convert, internal, parse_number_or_quantity
from tme_sim.validation import shortest

if TYPE_CHECKING:
    from tme_sim.posterior import Posterior
    from tme_sim.scenario import Scenario

__all__ = ["ATTEMPTS", "DRAWING", "PATIENCE", "VirtualPatient", "make_fitted_patients", "make_patients"]

DRAWING = 2  # raised where the same file and seed give other patients, so that a trial does not go on with the old ones
PATIENCE = 20  # draws for rest of one patient under one member of a calibration
LIVES = 3  # patients who are drawn one after the other under one member, if none of them can rest
RESTLESS = "the untreated tumour cannot grow as drawn, since T cells kill more than it loses"
BESIDE = 25  # draws in which each tumour rests alone and the patient does not, before he is drawn anew; six sufficed
ATTEMPTS = 300  # draws of one patient until eligible; a cohort that needs more is called infeasible
# Drawn again where T cells would kill more than the tumour loses, so that growth stays as published.
REST = (
    "cd8_density",
    "cell_loss_factor",
    "excluded_share",
    "exhausted_share",
    "f_spec",
    "g0",
    "mdsc_density",
    "treg_density",
    "unseen_share",
)
SMALLEST = 10.0  # mm; tumours that imaging shows at entry
MOST = 1_000_000


@dataclass(frozen=True)
class VirtualPatient:
    """One patient: its number, what was drawn or follows from it by name, and the changes that make a scenario its own.

    `values` are in the units of the cohort's draws; `changes` go to :meth:`tme_sim.scenario.Scenario.changed`.
    """

    number: int
    values: Mapping[str, Any]
    changes: Mapping[str, Any]

    @property
    def lesions(self) -> int:
        """Lesions that imaging shows at entry."""
        return len(self.changes["patient.lesion"])


def make_patients(
    cohort: Cohort,
    n: int,
    seed: int,
    *,
    first: int = 0,
    check: bool = True,
    again: int = 0,
    scenario: Scenario | None = None,
    announce: Callable[[str], None] | None = None,
) -> list[VirtualPatient]:
    """Patients `first` to ``first + n - 1`` of a seed.

    Args:
        check: draw again who cannot exist, that is, whose untreated tumours could not grow as drawn because T cells
            would kill more cells than they lose.
        again: without that check, which draw of the balance of growth and killing is taken; the first is 0.
        scenario: model parameters and biology for that check; by default those of the package under the hypotheses of
            the cohort.
        announce: told when a model has to be compiled for it.

    Raises:
        InputError: n below 1, a seed that is none, or a cohort whose rules hardly any of its draws fulfil.
    """
    for key, value, least in (("n", n, 1), ("seed", seed, 0), ("first", first, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(Problem(cohort.name, key, f"must be a whole number, at least {least}, not {value!r}"))
    if n > MOST:
        raise InputError(Problem(cohort.name, "n", f"must be at most {MOST}, not {n}"))
    maker = _Maker(cohort, seed, _Rest(cohort, scenario, announce) if check else None)
    return [maker.patient(number, again) for number in range(first, first + n)]


def make_fitted_patients(
    cohort: Cohort,
    posterior: Posterior,
    n: int,
    seed: int,
    *,
    scenario: Scenario,
    announce: Callable[[str], None] | None = None,
) -> list[VirtualPatient]:
    """Patients 0 to n - 1 of a seed, each under a member of a calibration of its own, drawn by the members' weights.

    A member sets numbers of the cohort's draws and values of the model; `scenario` is one that follows the posterior.
    Under a member that lets a patient find no rest in `PATIENCE` draws, the patient is drawn anew, and after `LIVES` of
    them is given another member.

    Raises:
        InputError: as :func:`make_patients`, or none of `ATTEMPTS` members lets a patient rest.
    """
    from tme_sim.calibrated import draw_numbers
    from tme_sim.simulation import structures

    set_up = structures(announce)
    found: dict[int, VirtualPatient] = {}
    for attempt in range(ATTEMPTS):
        waiting: dict[int, list[int]] = {}
        for number in range(n):
            if number not in found:
                waiting.setdefault(_member(posterior, seed, number, attempt), []).append(number)
        for member, numbers in sorted(waiting.items()):
            own = cohort.following(draw_numbers(posterior.values(member), cohort.catalogue), fixed="pass over")
            rest = _Rest(own, scenario.changed({"posterior.member": member}), set_up=set_up)
            maker = _Maker(own, seed, rest, patience=PATIENCE)
            for number in numbers:
                try:
                    one = maker.patient(number)
                except InputError:
                    if attempt == ATTEMPTS - 1:
                        raise
                    continue
                found[number] = replace(one, values={**one.values, "member": member},
                                        changes={**one.changes, "posterior.member": member})  # fmt: skip
        if len(found) == n:
            break
    return [found[number] for number in range(n)]


def _member(posterior: Posterior, seed: int, patient: int, attempt: int) -> int:
    """The member, from 1, that a patient is given at an attempt."""
    import numpy as np

    from tme_sim.engine.rng import PURPOSES, uniform

    key = (seed, patient, 0, attempt, PURPOSES["patient_parameters"], _place("member of a posterior"))
    return posterior.at(float(uniform(*(np.uint64(v) for v in key))))


@lru_cache(maxsize=64)
def _arguments(law) -> tuple[str, ...]:
    import inspect

    return tuple(inspect.signature(law).parameters)


@lru_cache(maxsize=4096)
def _place(name: str) -> int:
    """Number of a draw in the counter of random numbers: of its name, so that new draws move no others."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


class _Maker:
    def __init__(self, cohort: Cohort, seed: int, rest: _Rest | None = None, patience: int = ATTEMPTS):
        self.cohort, self.seed, self.rest, self.patience = cohort, seed, rest, patience
        # What is drawn again for rest stands last, so that the other draws do not depend on it.
        self.tied, factor = factor_of(cohort.correlations, last=REST)
        self.factor = factor.tolist()
        self.single = [name for name in cohort.draws if name not in PER_LESION]
        self.drawn: dict[tuple[int, str, int, int], float] = {}  # of one patient: most draws of an attempt stay

    def normal(self, patient: int, name: str, lesion: int = 0, attempt: int = 0) -> float:
        """The standard normal number behind a draw, before correlation."""
        asked = (patient, name, lesion, attempt)
        if asked not in self.drawn:
            import numpy as np

            from tme_sim.engine.rng import PURPOSES, normal_quantile, uniform

            key = (self.seed, patient, lesion, attempt, PURPOSES["patient_parameters"], _place(name))
            self.drawn[asked] = float(normal_quantile(uniform(*(np.uint64(v) for v in key))))
        return self.drawn[asked]

    def patient(self, number: int, begin: int = 0) -> VirtualPatient:
        """The patient of a number, drawn again until eligible and able to rest; raises InputError if none is.

        `begin`: the draw of the balance of growth and killing to begin with.
        """
        self.drawn = {}
        if self.rest is not None:
            self.rest.read = {}
        refused: dict[str, int] = {}
        for attempt in range(ATTEMPTS):
            values = self.values(number, attempt, 0)
            reason = refusal(self.cohort, values)
            if not reason:
                beside = 0
                for again in range(begin, begin + self.patience):
                    if again:
                        values = self.values(number, attempt, again)
                    changes = self.changes(number, attempt, again, values)
                    if self.rest is None:
                        return VirtualPatient(number, values, changes)
                    if self.rest.apart(changes):
                        if self.rest.together(changes):
                            return VirtualPatient(number, values, changes)
                        beside += 1
                    if beside == BESIDE:
                        break
                reason = RESTLESS
            refused[reason] = refused.get(reason, 0) + 1
            if self.patience < ATTEMPTS and refused.get(RESTLESS, 0) == LIVES:
                break
        worst = max(refused, key=refused.get)
        raise InputError(
            Problem(
                self.cohort.path or self.cohort.name,
                "eligibility",
                (
                    f"none of {ATTEMPTS} draws of patient {number} is eligible; most often {worst} "
                    f"({refused[worst]} times): the draws and the rules do not go together, change one of them"
                ),
            )
        )

    def attempt_of(self, name: str, attempt: int, again: int) -> int:
        """Which attempt a draw belongs to: only the balance of growth and killing is drawn again for rest."""
        return attempt + ATTEMPTS * again if name in REST else attempt

    def values(self, number: int, attempt: int, again: int) -> dict[str, Any]:
        """Draws of the patient (lesion by lesion come later) and what follows from them."""
        own = {name: self.normal(number, name, 0, self.attempt_of(name, attempt, again)) for name in self.single}
        scores = dict(own)
        for i, name in enumerate(self.tied):
            scores[name] = math.fsum(self.factor[i][j] * own[self.tied[j]] for j in range(i + 1))
        out = {name: quantile(self.cohort.draws[name], z) for name, z in scores.items()}
        if "aetiology" in out:
            draw = self.cohort.draws["doubling_time"]
            longer = self.cohort.aetiologies[out["aetiology"]].doubling_time * out["doubling_time"]
            out["doubling_time"] = float(f"{min(max(longer, draw.low or 0.0), draw.high or math.inf):.6g}")
        return out | followed(self.cohort, out)

    def of_lesion(self, number: int, name: str, lesion: int, attempt: int) -> Any:
        return quantile(self.cohort.draws[name], self.normal(number, name, lesion, attempt))

    def changes(self, number: int, attempt: int, again: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """What makes a scenario this patient's: keys of `Scenario.changed`."""
        draws, lesion_level = self.cohort.draws, self.cohort.catalogue.lesion_parameters
        out: dict[str, Any] = {"seed": self.seed, "patient.number": number, "patient.chance": "drawn"}
        for name, value in values.items():
            if (
                name not in draws
                or name in lesion_level
                or name in ("tumour_number", "largest_diameter", "aetiology", "extrahepatic_number", *SPECIAL)
            ):
                continue
            out[f"patient.{name}"] = value if isinstance(value, str) else self.text(name, value)
        albumin = convert(values["albumin_base"], draws["albumin_base"].unit, "g/L")
        out["patient.albumin"] = f"{shortest(float(albumin))} g/L"
        out["patient.child_pugh"] = (
            "A" if values["child_pugh_points"] <= 6 else "B" if values["child_pugh_points"] <= 9 else "C"
        )
        out["patient.lesion"] = self.lesions(number, attempt, again, values)
        occult = {key: values[f"occult_{key}"] for key in ("liver", "extrahepatic") if f"occult_{key}" in values}
        if occult:
            if "occult_diameter" in values:
                occult["diameter"] = self.text("occult_diameter", values["occult_diameter"])
            out["patient.occult"] = occult
        return out

    def text(self, name: str, value: float) -> Any:
        unit = self.cohort.draws[name].unit
        return float(value) if unit == "1" else f"{shortest(float(value))} {unit}"

    def lesions(self, number: int, attempt: int, again: int, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The largest tumour first; the others of its size by `size_ratio` and of its growth by `doubling_ratio`."""
        draws = self.cohort.draws
        own = [n for n in draws if n in self.cohort.catalogue.lesion_parameters and n not in ("doubling_time",)]
        count, outside = int(values["tumour_number"]), int(values.get("extrahepatic_number", 0))
        largest = convert(values["largest_diameter"], draws["largest_diameter"].unit, "mm")
        slowest = draws["doubling_time"]
        sizes = [largest]
        for i in range(1, count):
            ratio = self.of_lesion(number, "size_ratio", i, attempt) if "size_ratio" in draws else 0.5
            sizes.append(min(max(ratio * largest, SMALLEST), largest))
        kinds = [0.0] * count + [1.0] * outside
        for i in range(outside):
            sizes.append(
                self.of_lesion(number, "extrahepatic_diameter", count + i, attempt)
                if "extrahepatic_diameter" in draws
                else 15.0
            )
        out = []
        for i, (size, kind) in enumerate(zip(sizes, kinds, strict=True)):
            doubling = values["doubling_time"]
            if i and "doubling_ratio" in draws:
                doubling *= self.of_lesion(number, "doubling_ratio", i, attempt)
            doubling = min(max(doubling, slowest.low or 0.0), slowest.high or math.inf)
            lesion = {
                "name": f"liver {i + 1}" if not kind else f"outside {i + 1 - count}",
                "diameter": f"{shortest(float(f'{size:.6g}'))} mm",
                "doubling_time": f"{shortest(float(f'{doubling:.6g}'))} {slowest.unit}",
            }
            for name in own:
                at = self.attempt_of(name, attempt, again)
                value = values[name] if i == 0 else self.of_lesion(number, name, i, at)
                lesion[name] = self.text(name, value)
            if kind:
                lesion["extrahepatic"] = 1.0
            out.append(lesion)
        return out


class _Rest:
    """Whether a patient can exist before treatment: each lesion on its own, then all of them and what imaging misses.

    Most of those who cannot are told apart by the model of one lesion, which is the cheaper one.
    """

    def __init__(
        self, cohort: Cohort, scenario: Scenario | None, announce: Callable[[str], None] | None = None, set_up=None
    ):
        from tme_sim.plan import plan_of
        from tme_sim.scenario import Scenario
        from tme_sim.simulation import structures

        if scenario is None:
            scenario = Scenario.from_text("schema = 1", "scenario", {"biology": cohort.biology()},
                                          catalogue=cohort.catalogue)
        self.scenario, self.set_up = scenario, set_up or structures(announce)
        ready = self.set_up(plan_of(scenario.changed({"patient.lesion": [{"name": "one"}]})))
        self.model, self.par = ready.model, ready.par
        self.known = cohort.catalogue.names()
        self.read: dict[tuple[str, Any], float] = {}
        self.places = {
            name: self.model.parameter_names.index(full)
            for name in self.known
            for full in (name, f"{name}.1")
            if full in self.model.parameter_names
        }

    def together(self, changes: Mapping[str, Any]) -> bool:
        """Whether a patient (keys of `Scenario.changed`) has an untreated baseline, that is, whether his lesions rest
        beside each other, occult foci among them: they share blood, yet not their growth.

        What the protocol of the scenario cannot give to the patient is no matter of rest.
        """
        from tme_sim.compiler.model import BaselineError
        from tme_sim.plan import plan_of, untreated

        try:
            self.set_up(untreated(plan_of(self.scenario.changed(changes))))
        except BaselineError:
            return False
        except InputError:
            return True
        return True

    def apart(self, changes: Mapping[str, Any]) -> bool:
        """Whether every lesion rests on its own."""
        from tme_sim.compiler.model import BaselineError

        body = {key.removeprefix("patient."): value for key, value in changes.items()}
        for lesion in body.pop("lesion"):
            par = self.par.copy()
            for name, value in (body | lesion).items():
                if name in self.places:
                    par[self.places[name]] = self.internal(name, value)
            try:
                self.model.start(par)
            except BaselineError:
                return False
        return True

    def internal(self, name: str, value: Any) -> float:
        if (name, value) not in self.read:
            quantity = parse_number_or_quantity(value, self.known[name].unit, name)
            self.read[name, value] = float(internal(*quantity))
        return self.read[name, value]


def followed(cohort: Cohort, values: Mapping[str, Any]) -> dict[str, Any]:
    """What follows from the draws: Child-Pugh points, ALBI and its grade, burden score, BCLC stage.

    Formulas of the liver are those of the model.  BCLC stage A is a single tumour or up to three of at most 3 cm, C is
    invasion, spread or performance status 1, B the rest.
    """
    from tme_sim.mechanisms import liver

    draws, known = cohort.draws, cohort.catalogue.parameters
    albumin, bilirubin = (float(internal(values[n], draws[n].unit)) for n in ("albumin_base", "bilirubin_base"))

    def of(law) -> float:
        given = {"albumin": albumin, "bilirubin": bilirubin}
        return float(law(**{n: given[n] if n in given else known[n].internal for n in _arguments(law)}))

    points, albi = of(liver.child_pugh_of), of(liver.albi_formula)
    cm = convert(values["largest_diameter"], draws["largest_diameter"].unit, "cm")
    number = int(values["tumour_number"])
    spread = bool(values.get("portal_invasion", 0.0) or values.get("extrahepatic_number", 0))
    early = number == 1 or (number <= 3 and cm <= 3.0)
    stage = "C" if spread or values.get("ecog", "0") != "0" else "A" if early else "B"
    return {
        "child_pugh_points": int(round(points)),
        "albi": float(f"{albi:.6g}"),
        "albi_grade": liver.albi_grade(albi),
        "burden": float(f"{cm + number:.6g}"),
        "bclc": stage,
    }


def refusal(cohort: Cohort, values: Mapping[str, Any]) -> str:
    """Why a draw is not eligible, or ""."""
    rules = cohort.eligibility
    cm = convert(values["largest_diameter"], cohort.draws["largest_diameter"].unit, "mm")
    for low, value, high, what in (
        (0, values["child_pugh_points"], rules.child_pugh_most, "Child-Pugh points"),
        (0, values["tumour_number"], rules.number_most, "the number of tumours"),
        (rules.diameter_least, cm, rules.diameter_most, "the largest diameter in mm"),
        (rules.burden_least, values["burden"], rules.burden_most, "diameter in cm plus number"),
    ):
        if value < low:
            return f"{what} lies below {low:g}"
        if value > high:
            return f"{what} lies above {high:g}"
    return ""
