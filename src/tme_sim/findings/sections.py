"""What a study file says to the commands that read its findings: ``[surface]`` and ``[optimise]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tme_sim.diagnostics import InputError, parse_toml
from tme_sim.findings.optimise import Constraint
from tme_sim.validation import Model, Problems, check_table

if TYPE_CHECKING:
    from tme_sim.study import Study

__all__ = ["ConstraintTable", "OptimiseTable", "SurfaceTable", "optimise_section", "surface_section"]


class SurfaceTable(Model):
    """``[surface]``: the two dates of a timing surface, and orders to mark on it."""

    x: str | None = Field(None, max_length=48, description="factor along x; the first date of the study if left out")
    y: str | None = Field(None, max_length=48, description="factor along y; the second date")
    outcome: str | None = Field(None, max_length=64, description="endpoint; the first of the study if left out")
    better: Literal["higher", "lower"] | None = Field(None, description="which way is better, where it is not known")
    orders: dict[str, tuple[float, float]] = Field(default_factory=dict, description='"name" = [x, y]')


class ConstraintTable(Model):
    """One ``[[optimise.constraint]]``."""

    endpoint: str = Field(max_length=64, description="endpoint that is limited")
    at_most: float | None = Field(None, description="largest value allowed")
    at_least: float | None = Field(None, description="smallest value allowed")
    allowed: float = Field(0.1, ge=0, lt=1, description="share of patients that may break it")


class OptimiseTable(Model):
    """``[optimise]``: what the best protocol is best at, and what it must keep."""

    outcome: str | None = Field(None, max_length=64, description="endpoint; the first of the study if left out")
    better: Literal["higher", "lower"] | None = Field(None, description="which way is better, where it is not known")
    aim: Literal["mean", "worst decile", "regret"] = Field("mean", description="over the patients")
    budget: int = Field(200, ge=8, le=1_000_000, description="protocols tried at most")
    seed: int = Field(0, ge=0, lt=2**63, description="of the search")
    constraint: tuple[ConstraintTable, ...] = Field((), description="what must be kept")

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """As the search takes them."""
        return tuple(
            Constraint(c.endpoint, c.at_least if c.at_most is None else c.at_most, c.at_most is None, c.allowed)
            for c in self.constraint
        )


def surface_section(study: Study) -> SurfaceTable:
    """The section ``[surface]`` of a study, or an empty one.

    Raises:
        InputError: with every mistake found.
    """
    return _read(study, "surface", SurfaceTable)


def optimise_section(study: Study) -> OptimiseTable:
    """The section ``[optimise]`` of a study, or an empty one.

    Raises:
        InputError: with every mistake found.
    """
    found = _read(study, "optimise", OptimiseTable)
    problems = Problems(parse_toml(study.text, study.path)[1]) if study.text else None
    for i, one in enumerate(found.constraint):
        if (one.at_most is None) == (one.at_least is None) and problems is not None:
            problems.add(("optimise", "constraint", i), 'give "at_most" or "at_least", one of them')
    if problems:
        raise InputError(problems.ordered())
    return found


def _read(study: Study, name: str, model: type):
    if not study.text:
        return model()
    raw, places = parse_toml(study.text, study.path)
    problems = Problems(places)
    read = check_table(model, _tuples(raw.get(name, {})), (name,), problems)
    if problems:
        raise InputError(problems.ordered())
    return read


def _tuples(value):
    if isinstance(value, list):
        return tuple(_tuples(v) for v in value)
    return {k: _tuples(v) for k, v in value.items()} if isinstance(value, dict) else value
