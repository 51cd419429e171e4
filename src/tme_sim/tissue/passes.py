"""What a step asks of the laws, each as one compiled pass (:mod:`tme_sim.tissue.fused`) over those who need it.

Fates of cells are asked for everywhere, those of immune cells and vessels where they are, killing where a killer is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from tme_sim.laws import saturate
from tme_sim.mechanisms.killing import motility_lets
from tme_sim.tissue.fused import Fused, Table, Value, above_zero, where
from tme_sim.tissue.laws import OXYGEN, Here, Laws, exp, on_arrays
from tme_sim.tissue.piece import CELLS, DYING, FIELDS, NECROTIC, RELEASED, TRAITS, VIABLE, WALKERS

VESSELS = ("", "immature_vessels", "mature_vessels")
MATURED = "DC_mature"
"""What dendritic cells become before they leave: a density of the lesion, too few in a piece to be cells of their
own."""
STEM = 8  # added to the number of draws of cells that come as stem-like ones


class Fates:
    """Processes that strike individuals, kind by kind, as tables for compiled loops.

    Process `j` of kind `k` (`begin[k] <= j < begin[k + 1]`) is `names[j]`; `contact[j]`: it takes a touch, and is found
    by `touching`, the others by `rates`; `table` says where.  If any does, `alone` says where the summed rates of the
    others are, kind by kind.
    """

    def __init__(self, laws: Laws, listed: list[list[str]]):
        self.laws, self.names = laws, [name for names in listed for name in names]
        self.begin = np.cumsum([0, *(len(names) for names in listed)])
        self.contact = np.array([laws.processes[name].kind == "contact" for name in self.names], dtype=bool)
        same = [laws.same[name] for name in self.names]
        alone = [[laws.same[name] for name in names if laws.processes[name].kind != "contact"] for names in listed]
        self.rates = self._pass(~self.contact, alone if self.contact.any() else [])
        self.touching = self._pass(self.contact, []) if self.contact.any() else None
        sums = [_sum_of(names) for names in alone]
        self.alone = Table(sums, [self.rates], [0] * len(sums)) if self.contact.any() else None
        self.table = Table(same, [self.rates, self.touching], list(self.contact.astype(int)))

    def _pass(self, those: np.ndarray, sums: list[list[str]]) -> Fused:
        """A pass that finds the rates of `those`, and of each list in `sums` their sum."""
        laws = self.laws
        names = dict.fromkeys(laws.same[name] for name, asked in zip(self.names, those, strict=True) if asked)

        def build(here: Here, own: Callable) -> dict:
            """Rates and their sums, by name."""
            out = {name: here.rate(name) for name in names}
            for added in sums:
                out[_sum_of(added)] = sum((here.rate(name) for name in added), own("zero", True))
            return out

        return Fused(laws, laws.fields, build)


def _sum_of(names: list[str]) -> str:
    """Name of the sum of rates."""
    return " + ".join(names)


class Passes:
    """The passes of one set of laws; each is recorded, and compiled or read from the cache, when first asked for."""

    def __init__(self, laws: Laws):
        self.laws = laws

    @cached_property
    def cells(self) -> Fates:
        """Fates of tumour cells, by index in CELLS."""
        listed = [[] for _ in CELLS]
        for k in (*VIABLE, DYING, NECROTIC):
            listed[k] = self.laws.by_species[CELLS[k]]
        return Fates(self.laws, listed)

    @cached_property
    def walkers(self) -> Fates:
        """Fates of immune cells, by index in WALKERS."""
        laws = self.laws
        return Fates(laws, [[p for p in laws.by_species[n] if laws.processes[p].kind != "arrival"] for n in WALKERS])

    @cached_property
    def vessels(self) -> Fates:
        """Fates of vessels, by IMMATURE and MATURE."""
        return Fates(self.laws, [self.laws.by_species.get(name, []) for name in VESSELS])

    @cached_property
    def becomes(self) -> np.ndarray:
        """What a cell that a process strikes becomes, an index in CELLS; -1: it divides."""
        processes = [self.laws.processes[name] for name in self.cells.names]
        return np.array([-1 if p.kind == "division" else CELLS.index(p.into[0][0]) if p.into else 0 for p in processes])

    @cached_property
    def arriving(self) -> list[tuple[int, str]]:
        """Kind (index in WALKERS) and process of everything that arrives."""
        return [(k, p) for k, name in enumerate(WALKERS) for p in self.laws.by_species[name]
                if self.laws.processes[p].kind == "arrival"]  # fmt: skip

    @cached_property
    def arrival_table(self) -> Table:
        """Where :attr:`arrivals` has each process of :attr:`arriving`."""
        return Table([process for _, process in self.arriving], [self.arrivals], [0] * len(self.arriving))

    @cached_property
    def arrivals(self) -> Fused:
        """Immune cells of every process of `arriving` that come through a vessel in a step.

        Of the caller: `blood` (1 where a vessel carries some), and the numbers `untreated` (summed quality of vessels
        that carry blood before treatment), `amount` (volume of the piece times step), `sites` (vessels).
        """
        laws = self.laws

        def build(here: Here, own: Callable) -> dict:
            """What comes through a vessel, by process."""
            share = where(own("blood"), here.value("vessel_quality"), 0.0) / own("untreated", True)
            place, out = here.at(None, {} if laws.mixed else {"perfusion": share}), {}
            for _, process in self.arriving:
                mean = place.rate(process) * own("amount", True)
                by_flow = "perfusion" in laws.reads[process] and not laws.mixed
                out[process] = above_zero(mean if by_flow else mean / own("sites", True))
            return out

        return Fused(laws, laws.fields, build)

    @cached_property
    def maturing(self) -> list[tuple[int, str, float | str]]:
        """Kind (index in WALKERS), process, and how many each becomes, of what leaves for :data:`MATURED`."""
        return [(k, p, amount) for k, name in enumerate(WALKERS) for p in self.laws.by_species[name]
                for into, amount in self.laws.processes[p].into if into == MATURED]  # fmt: skip

    @cached_property
    def matured(self) -> Fused:
        """Rate per day of every process of :attr:`maturing`."""
        return Fused(self.laws, self.laws.fields, lambda here, own: {p: here.rate(p) for _, p, _ in self.maturing})

    @cached_property
    def signal(self) -> Fused:
        """Traits, and what dead cells release, after `dt`, of a mixed piece fields too; else what is made of each field
        by those who are `alive`, and lost by those who take it up (`taken`); chemokines that interferon makes cells
        give off; and motility.

        Of the caller: `alive` and `taken` (1 or 0), the number `dt`.
        """
        laws = self.laws

        def build(here: Here, own: Callable) -> dict:
            """Traits, sources and losses of fields, and motility, by name."""
            out = {}
            for name in (*TRAITS, *RELEASED, *(FIELDS if laws.mixed else ())):
                out[name] = relaxed(own(name), *rates_of(here, name), own("dt", True))
            for name in () if laws.mixed else FIELDS:
                made, lost = rates_of(here, name)
                out[f"made {name}"], out[f"lost {name}"] = made * own("alive"), lost * own("taken")
            scalars = here.scalars
            if not laws.mixed:
                out["induced"] = on_arrays(saturate)(here.value("IFNg"), scalars["K_IFNg"])
            out["motility"] = on_arrays(motility_lets)(here.value(OXYGEN), scalars["p_mot"], scalars["n_mot"])
            return out

        return Fused(laws, laws.fields, build)


def relaxed(now: Value, made: Value | float, lost: Value | float, dt: Value) -> Value:
    """What is `now` after `dt`, made and lost at these rates; also where a hypothesis lets nothing be lost."""
    kept = exp(-lost * dt)
    if not isinstance(lost, Value):
        return now * kept + (made / lost * (1.0 - kept) if lost else made * dt)
    return where(lost, now * kept + made / lost * (1.0 - kept), now + made * dt)


def rates_of(here: Here, name: str) -> tuple[Value, Value]:
    """What is made of a trait or field per day, and the first-order rate at which it is lost."""
    made, lost = 0.0, 0.0
    for process in here.laws.by_species[name]:
        if here.laws.processes[process].kind == "arrival":
            made = made + here.rate(process)
        else:
            lost = lost + here.rate(process)
    return made, lost
