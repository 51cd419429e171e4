"""The `[piece]` table of a scenario, numbers of the mechanics with their evidence, and the memory a piece needs."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import Field

from tme_sim.diagnostics import InputError
from tme_sim.quantities import Parameter, Quantity, internal
from tme_sim.validation import Model, Problems, check_table, measured

VOXEL_UM = 20.0
CONTAINER = Path("/sys/fs/cgroup/memory.max")  # bytes that a control group allows
SECONDS_PER_DAY = 86400.0
STEP_TICKS, WALK_TICKS = 30, 5
FIELD_STEPS = 2  # steps between two solutions of the fields, which follow cells and vessels within minutes
BYTES_PER_VOXEL = 1200
"""State and working arrays of one voxel with its share of immune cells: peak of pieces up to 1 mm^3, rounded up."""
NETWORK_BYTES = {2: 300, 3: 2000}
"""More of a voxel where blood flows through a network, by dimension: segments, and factors of the pressures (200
and 1100 in pieces of 90 000 and 64 000 voxels; factors of a larger cube grow faster than it)."""

CENTOFANTI = "DOI 10.1073/pnas.2304190120 (30 to 40 um in melanoma, by diffusion and uptake)"
FRANCIS = "Francis and Palsson 1997 (PNAS 94:12258)"
SPQSP = "https://github.com/popellab/SPQSP_HCC_GPU (HCC/sim/resource/param_all_test.xml)"
PHYSICELL = "https://github.com/MathCancer/PhysiCell (sample project cancer_immune)"
WIIG = "rat mammary tumours by micropuncture (PMID 6813945)"
NO_SOURCE = "no source read for this; order of magnitude"
MECHANICS = (
    Parameter("walk_speed", 4.0, "um/min", "T cells of mice go from below 2 to above 8 in lymph nodes, lung and gut "
              "(https://elifesciences.org/articles/84916v1); in an agent model of HCC they go 2.9, 20 um a step "
              f"{SPQSP}", "low", 1.0, 10.0, "speed of a walking immune cell in oxygenated tissue"),
    Parameter("walk_persistence", 0.7, "1", f"{NO_SOURCE}; 10 min, which is 0.61 a step of 5 min, is chosen in "
              f"{PHYSICELL}", "assumed", 0.3, 0.9, "chance to keep the direction of a step"),
    Parameter("chemotaxis", 0.3, "1", f"{NO_SOURCE}; half of the direction is bias, also by choice, in {PHYSICELL}",
              "assumed", 0.0, 1.0, "share of turns that go for the better of two directions instead of any"),
    Parameter("push_reach", 100.0, "um", NO_SOURCE, "assumed", 20.0, 200.0,
              "distance over which growing cells push others aside into free space"),
    Parameter("suppression_reach", 100.0, "um", "regulatory cells deprive others of interleukin-2 over a few tens of "
              "um, by model and culture of mouse cells (Busse 2010, PNAS 107:3058); suppressors that make NO or "
              "arginase may reach further", "low", 40.0, 200.0,
              "distance within which suppressor and regulatory cells act on a killer; measured for one way: shorter"),
    Parameter("interferon_reach", 40.0, "um", f"{CENTOFANTI}; cytokines in general act within 250 um by {FRANCIS}",
              "medium", 30.0, 250.0, "length over which interferon-gamma falls by a factor e"),
    Parameter("chemokine_reach", 150.0, "um", f"{FRANCIS}: a secreting cell acts within some 250 um", "low", 30.0,
              250.0, "the same for the chemokines that T cells follow"),
    Parameter("cytokine_time", 20.0, "min", f"{FRANCIS}: 10 to 30 minutes to build up or to cease", "low", 10.0, 30.0,
              "life of interferon-gamma and of chemokines in tissue"),
    Parameter("D_VEGF", 10.0, "um^2/s", f"29 in an agent model of HCC: {SPQSP}; no measurement read", "low", 1.0, 100.0,
              "diffusivity of VEGF in tissue"),
    Parameter("D_purine", 100.0, "um^2/s", "derived: ATP in solution at 40 C 464 (DOI 10.1016/0304-4165(96)00053-0), "
              "in mouse heart muscle cells 4 to 8 times slower than in water (J Gen Physiol 155:e202213329), so 60 "
              "to 120",
              "low", 30.0, 300.0, "diffusivity of ATP and AMP in tissue"),
    Parameter("D_protein", 60.0, "um^2/s", "albumin, which spreads as freely as proteins of its size can, 63 +- 19 in "
              "VX2 carcinoma of the rabbit by photobleaching (DOI 10.1073/pnas.86.14.5385); what binds to matrix or "
              "to debris is slower", "low", 1.0, 100.0, "diffusivity of tumour antigen and danger signals in tissue"),
    Parameter("drug_reach", 200.0, "um", "DOI 10.1016/j.jhep.2011.03.024 as cited by the TACE mechanism: 0.2-1.2 mm; "
              "the low end, so that a piece of a millimetre or two holds several depots", "low", 200.0, 1200.0,
              "distance over which doxorubicin falls by a factor e around a depot"),
    Parameter("liver_vessels", 400.0, "1/mm^2", "derived: 1000 sinusoids in each of 1.5 million lobules of a human "
              "liver of 1.5 L (DOI 10.1371/journal.pcbi.1006005), if each is 0.4 mm long", "low", 200.0, 1500.0,
              "sinusoids per section area of the liver around a nodule; all carry blood"),
    Parameter("liver_oxygen_in", 47.0, "mmHg", "mean of periportal 65 and perivenous 30: "
              "https://pmc.ncbi.nlm.nih.gov/articles/PMC3753504 (figure 2, as cited by the science notes)", "low", 30.0,
              65.0, "oxygen in the sinusoids around a nodule"),
    Parameter("liver_uptake", 13.0, "mmHg/s", "set so that the liver around a nodule has about 30 mmHg", "low", 5.0,
              40.0, "largest oxygen uptake of the liver around a nodule; measured: 6.1 mL of oxygen per min and 100 "
              "g of liver, some 33 mmHg/s, see scilit.net/publications/0080f3b117a02ea59aab764420c3a9cc"),
    Parameter("sprout_reach", 80.0, "um", "new vessels of rat microvessels in collagen grow 5 um/h and towards each "
              "other over tens to hundreds of um (DOI 10.1007/s10456-015-9461-x)", "low", 40.0, 200.0,
              "how far from its parent a sprout ends"),
    Parameter("feeder_spacing", 400.0, "um", f"{NO_SOURCE} of arterioles", "assumed", 100.0, 1000.0,
              "distance between feeders, where piece.closing is \"feeders\""),
    Parameter("sprout_exclusion", 20.0, "um", NO_SOURCE, "assumed", 20.0, 60.0,
              "no sprout ends this close to another vessel"),
)
VALUE = {p.name: p.value for p in MECHANICS}
NETWORK = (
    Parameter("segment_reach", 200.0, "um", NO_SOURCE, "assumed", 100.0, 400.0, "longest segment between two vessels"),
    Parameter("radius_immature", 5.0, "um", NO_SOURCE, "assumed", 3.0, 15.0, "inner radius of an immature vessel"),
    Parameter("radius_mature", 6.0, "um", NO_SOURCE, "assumed", 3.0, 15.0, "inner radius of a mature vessel"),
    Parameter("blood_viscosity", 0.004, "Pa*s", "whole human blood above 100/s has 4 mPa*s "
              "(bio-protocol.org/exchange/minidetail?id=9762018&type=30); scales all flows alike", "low", 0.002, 0.01,
              "viscosity of blood in all segments"),
    Parameter("artery_pressure", 25.0, "mmHg", f"capillaries 23.8, arterioles of 15 to 45 um 38.9 in {WIIG}; only its "
              "distance from vein_pressure acts, and scales all flows alike", "low", 15.0, 60.0,
              "blood pressure where an artery opens into the network; measured in arterioles: higher"),
    Parameter("vein_pressure", 10.0, "mmHg", f"venules of 15 to 45 um 13.3, larger ones 9.7 in "
              f"{WIIG}", "low", 2.0, 20.0,
              "blood pressure where a vein drains the network"),
    Parameter("remodelling", 7.0, "day", f"{NO_SOURCE}; a network is remade within a week or two where vessels grow",
              "assumed", 1.0, 30.0, "mean time in which neighbours of a lost vessel join, and a segment that a new one "
              "has come to lie in goes"),
)  # fmt: skip
"""Numbers of the network of vessels, where `piece.flow` is "network"; arteries are `feeder_spacing` apart."""
NETWORK_VALUE = {p.name: p.value for p in NETWORK}


def machine_mebibytes() -> float:
    """Memory of this machine, or what a container leaves of it."""
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # none, or "max"
        most = min(most, int(CONTAINER.read_text()))
    return most / 2**20


class Tissue(Model):
    """The `[piece]` table of a scenario with `tissue = "agents"`."""

    size: measured("mm", "edge of the piece", least=0.2, most=50, example="1 mm") = Quantity(1.0, "mm")
    dimension: Literal[2, 3] = Field(2, description="a section one cell thick (2), or a cube (3)")
    mode: Literal["representative", "nodule"] = Field(
        "representative", description="a piece from inside the lesion, which growth leaves as crowding outflow; or the "
        "whole lesion, a nodule with its margin in the liver around it"
    )  # fmt: skip
    closing: Literal["vessels", "feeders"] = Field(
        "vessels", description="what a session closes and what opens again: single vessels; or feeders, each with all "
        "vessels nearest to it, which then lose their blood together"
    )  # fmt: skip
    flow: Literal["drawn", "network"] = Field(
        "drawn", description="which vessels carry blood: drawn one by one with the untreated share; or what a network "
        "of segments brings them, by pressure, from arteries 400 um apart"
    )  # fmt: skip
    memory: int = Field(2048, ge=16, le=1_000_000, description="largest memory of the piece, in MiB")
    checkpoint_every: measured("day", "interval of checkpoints", above=0, most=36525, example="30 day") = Quantity(
        30.0, "day"
    )
    step: measured("min", "step of division, death and turnover; a multiple of 5 min that divides a day", least=5,
                   most=120, example="30 min") = Quantity(float(STEP_TICKS), "min")  # fmt: skip
    settle: measured("day", "untreated life of the piece before the run", least=0, most=365) = Quantity(10.0, "day")
    film_every: measured("day", "interval of the frames of the film; 0: none", least=0, most=365, example="2 day") = (
        Quantity(2.0, "day")
    )
    cells: str = Field("", max_length=4096, description="table of initial cells (CSV with x, y, type; um); none: drawn")
    vessels: str = Field("", max_length=4096,
                         description="map of vessels (CSV, PNG mask or GeoJSON); none: drawn")  # fmt: skip
    vessels_unit: measured("um", "edge of a pixel of the map of vessels, or unit of its coordinates; none: a picture "
                           "covers the piece, coordinates are in um", above=0, most=1000,
                           example="0.5 um") | None = None  # fmt: skip
    snapshots: tuple[float, ...] = Field(
        (-1.0, 1.0, 7.0, 28.0, 90.0),
        description="days of snapshots, counted from the first session (or day 0); -1: before it",
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        n = max(8, round(float(internal(*self.size)) / float(internal(VOXEL_UM, "um"))))
        return (n if self.dimension == 3 else 1, n, n)

    def late(self, first: int | None, stop: int) -> list[float]:
        """Days of snapshots, other than the usual ones, after the end of a run; `first` session and `stop` in ticks."""
        usual = type(self).model_fields["snapshots"].default
        ticks = {day: (first or 0) + round(day * 1440) for day in self.snapshots}
        return [] if self.snapshots == usual else [day for day, tick in ticks.items() if tick > stop]

    @property
    def settle_steps(self) -> int:
        """Steps that the untreated piece lives before the run: full ones of its fields."""
        return FIELD_STEPS * math.ceil(round(float(internal(*self.settle)) * 1440 / self.ticks) / FIELD_STEPS)

    @property
    def ticks(self) -> int:
        """Minutes of a step."""
        return round(float(internal(*self.step)) * 1440)

    @property
    def map_unit(self) -> float | None:
        """um of one pixel or unit of the map of vessels, None for what is usual."""
        return None if self.vessels_unit is None else float(internal(*self.vessels_unit)) / float(internal(1.0, "um"))

    @property
    def mebibytes(self) -> float:
        """Estimate of the memory that the piece needs."""
        nz, ny, nx = self.shape
        each = BYTES_PER_VOXEL + (NETWORK_BYTES[self.dimension] if self.flow == "network" else 0)
        return nz * ny * nx * each / 2**20

    def beyond(self, mebibytes: float) -> str:
        """What to tell when a machine of so much memory cannot hold the piece, whatever `memory` allows, or ""."""
        if self.mebibytes <= mebibytes:
            return ""
        return (f"the piece needs about {self.mebibytes:.0f} MiB, and this machine has {mebibytes:.0f} MiB; make "
                "piece.size smaller, use piece.dimension = 2, or run it on a larger one")

    def too_large(self) -> str:
        """What to tell when the piece does not fit, or "" when it does; nothing is allocated."""
        if self.mebibytes <= self.memory:
            return ""
        nz, ny, nx = self.shape
        return (f"a piece of {nz} x {ny} x {nx} voxels needs about {self.mebibytes:.0f} MiB and piece.memory allows "
                f"{self.memory} MiB; make piece.size smaller, use piece.dimension = 2, or raise piece.memory")


NEEDED = ("tumour", "oxygen", "hypoxia", "angiogenesis", "vegf", "purinergic", "antigen", "tcells", "myeloid",
          "killing", "tace")  # fmt: skip
"""Mechanisms that the piece is made of; the others may be switched off."""


FILES = ("cells", "vessels")  # keys of the table that name a file


def kept_as(key: str, path: str) -> str:
    """Where a run folder keeps its copy of a file that the piece was made of."""
    return f"inputs/{key}{Path(path).suffix.lower()}"


def anchor(raw: dict, folder: Path) -> None:
    """Take the table of cells and the map of vessels of a scenario from the folder of the scenario, in place."""
    piece = raw.get("piece")
    for key in FILES:
        if isinstance(piece, dict) and isinstance(piece.get(key), str) and piece[key]:
            piece[key] = str((folder / piece[key]).resolve())


MARGIN_MM = 0.2  # of liver on every side of a nodule, at least: oxygen of one does not reach the next


def too_wide(size: float, diameter: float) -> str:
    """What to tell when a nodule does not fit into a piece (mm), or ""."""
    needed = diameter + 2.0 * MARGIN_MM
    if needed <= size * (1.0 + 1e-9):
        return ""
    return (f"is {size:g} mm, and the first lesion, {diameter:.4g} mm, needs {needed:.4g} mm with {MARGIN_MM:g} mm of "
            "liver on every side; make it larger, or the lesion smaller")  # fmt: skip


def check_nodule(piece: Tissue, patient, problems: Problems) -> None:
    """Note a nodule that does not fit into its piece."""
    if piece.mode != "nodule":
        return
    if piece.flow == "network":
        told = 'a network is for mode = "representative": the liver around a nodule has a supply of its own; write '
        problems.add(("piece", "flow"), told + 'flow = "drawn", or leave mode out')
    diameter = patient.lesion[0].parameters.get("diameter") if patient is not None and patient.lesion else None
    if diameter is not None:
        told = too_wide(float(internal(*piece.size)), float(internal(*diameter)))
        if told:
            problems.add(("piece", "size"), told)
    for key in FILES:
        if getattr(piece, key):
            problems.add(("piece", key), 'is for mode = "representative"; a nodule is drawn')


def check_files(piece: Tissue, problems: Problems, warnings: list[str]) -> None:
    """Note what is wrong with the table of cells and the map of vessels of a piece."""
    from tme_sim.tissue.maps import read_vessels
    from tme_sim.tissue.table import ROOM, TUMOUR, VESSELS, read_cells, stand

    def vessels() -> None:
        """Of the map."""
        read_vessels(piece.vessels, piece.shape, VOXEL_UM, piece.map_unit)

    def cells() -> None:
        """Of the table."""
        table = read_cells(piece.cells, piece.shape, VOXEL_UM)
        if any(table[n].size for n in VESSELS) and piece.vessels:
            problems.add(("piece", "vessels"), "the table of cells holds vessels too; give them in one place")
        number = sum(table[n].size for n in TUMOUR)
        if number == 0:
            told = f"{piece.cells}: holds no tumour cell, and the piece stands for a lesion; there are tumour"
            problems.add(("piece", "cells"), ", ".join((told, *TUMOUR)))
        elif left := stand(table, piece.shape, VOXEL_UM)[1]:
            room = f"no free place of {VOXEL_UM:g} um within {ROOM:g} um"
            warnings.append(f"piece.cells: {left} of {number} tumour cells find {room} and are left out")

    for key, check in (("cells", cells), ("vessels", vessels)):
        try:
            if getattr(piece, key):
                check()
        except InputError as error:
            for one in error.problems:
                problems.add(("piece", key), str(one))
    if piece.vessels_unit is not None and not piece.vessels:
        problems.add(("piece", "vessels_unit"), "is the unit of piece.vessels, which is not given")


def check_piece(raw, tissue, biology, patient, problems: Problems, warnings: list[str]) -> Tissue | None:
    """The checked `[piece]` of a scenario with `tissue = "agents"`, None for one without; notes every mistake.

    `tissue` is what the scenario says, None where it says nothing; where that is a mistake a `[piece]` is checked all
    the same, and where it is "density" its keys are, and nothing comes of it.  `biology` and `patient` are the checked
    tables, or None where they hold mistakes themselves.
    """
    if raw is None and tissue != "agents":
        return None
    if tissue is None:
        problems.add(("piece",), 'describes agent tissue; write tissue = "agents" at the top, or leave [piece] out')
        return None
    table = dict(raw) if isinstance(raw, dict) else ({} if raw is None else raw)
    if isinstance(table, dict) and isinstance(table.get("snapshots"), list):
        days = table["snapshots"]
        table["snapshots"] = tuple(float(d) if type(d) is int else d for d in days)
    piece = check_table(Tissue, table, ("piece",), problems)
    if tissue == "density":
        return None
    if piece is not None and piece.too_large():
        problems.add(("piece", "size"), piece.too_large())
    elif piece is not None:
        check_files(piece, problems, warnings)
    if piece is not None and (piece.ticks % WALK_TICKS or 1440 % piece.ticks):
        told = f"is {piece.ticks} min; must be a multiple of {WALK_TICKS} min that divides a day"
        problems.add(("piece", "step"), told)
    if piece is not None:
        check_nodule(piece, patient, problems)
    for name in biology.off if biology is not None else ():
        if name in NEEDED:
            problems.add(("biology", "off"), f'"{name}" is part of the agent tissue and cannot be switched off in it')
    if biology is not None and biology.hypotheses.get("oxygen.vessels", "default") != "default":
        problems.add(("biology", "hypotheses", "oxygen.vessels"), (
            'is for densities: in agent tissue oxygen diffuses from the vessels; write tissue = "density"'))
    if patient is not None and not patient.lesion:
        problems.add(("patient", "lesion"), "the agent tissue stands for the first lesion, and there is none")
    return piece
