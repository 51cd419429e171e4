"""What the clinic would see of a run: scans read by criteria, and the endpoints made of them.

Names and units of the endpoints are pinned for all of tme_sim; days inside, months only in reports.  A scan sees lesion
diameters only: of all tissue (RECIST 1.1) and of viable, enhancing tissue (mRECIST), each with a detection floor, so
that a complete response on imaging is not a cure.

Sources: RECIST 1.1 (DOI 10.1016/j.ejca.2008.10.026); mRECIST (DOI 10.1055/s-0030-1247132).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DETECTION_FLOOR = 5.0  # mm; RECIST 1.1 records lesions too small to measure as 5 mm, smaller ones as absent
PARTIAL_RESPONSE = -0.30  # change of the sum of diameters from baseline
PROGRESSION = 0.20  # change of the sum of diameters from its smallest value so far
PROGRESSION_ABSOLUTE = 5.0  # mm; RECIST 1.1 also asks for this absolute increase of the sum
CRITERIA = ("recist11", "mrecist")
RESPONSES = ("CR", "PR", "SD", "PD")  # best first
LANDMARKS = (7, 28, 90, 180, 365, 730)  # days of the *_dN endpoints


@dataclass(frozen=True)
class Scan:
    """One imaging date: `day`, diameters of all tissue and of viable tissue per lesion (mm)."""

    day: float
    whole: tuple[float, ...]
    viable: tuple[float, ...]

    def diameters(self, criterion: str) -> tuple[float, ...]:
        """What the criterion measures, lesions below the detection floor counted as gone."""
        chosen = self.whole if criterion == "recist11" else self.viable
        return tuple(d if d >= DETECTION_FLOOR else 0.0 for d in chosen)


@dataclass(frozen=True)
class Reading:
    """Scans read by one criterion: the response at each scan after the first, and what follows from them."""

    criterion: str
    days: tuple[float, ...]
    sums: tuple[float, ...]
    responses: tuple[str, ...]

    @property
    def best(self) -> str:
        """Best response; "NE" (not evaluable) without a scan after baseline."""
        seen = [r for r in RESPONSES if r in self.responses]
        return seen[0] if seen else "NE"

    @property
    def depth(self) -> float:
        """Best relative change of the sum of diameters from baseline (negative is shrinkage)."""
        if len(self.sums) < 2 or self.sums[0] == 0.0:
            return math.nan
        return min(self.sums[1:]) / self.sums[0] - 1.0

    @property
    def progression(self) -> float | None:
        """Day of the first progression, None if there was none."""
        return next((d for d, r in zip(self.days[1:], self.responses, strict=True) if r == "PD"), None)

    @property
    def duration(self) -> float:
        """Days from first response to progression or last scan; 0 without response."""
        first = next((d for d, r in zip(self.days[1:], self.responses, strict=True) if r in ("CR", "PR")), None)
        if first is None:
            return 0.0
        end = self.progression if self.progression is not None and self.progression > first else self.days[-1]
        return end - first


def diameter(volume):
    """Diameter (mm) of a sphere of `volume` (mm^3); scalar or array."""
    from tme_sim.engine.elementary import power  # numpy's cube root has other last bits on other processors

    return np.vectorize(lambda v: power(6.0 * max(v, 0.0) / math.pi, 1.0 / 3.0), otypes=[float])(volume)[()]


def read_scans(scans: Sequence[Scan], criterion: str) -> Reading:
    """Read scans by `criterion` ("recist11" or "mrecist"); the first scan is the baseline.

    Target lesions only: progression is growth of the sum by 20 % (and, in RECIST 1.1, by 5 mm) from its smallest value.

    Raises:
        ValueError: unknown criterion or no scan.
    """
    if criterion not in CRITERIA:
        raise ValueError(f'criterion "{criterion}" is not known; choose one of {", ".join(CRITERIA)}')
    if not scans:
        raise ValueError("at least the baseline scan is needed")
    sums = [sum(s.diameters(criterion)) for s in scans]
    smallest, responses = sums[0], []
    for total in sums[1:]:
        growth = total - smallest
        needed = max(PROGRESSION * smallest, PROGRESSION_ABSOLUTE if criterion == "recist11" else 0.0)
        if total == 0.0:
            responses.append("CR")
        elif growth > 0.0 and growth >= needed:
            responses.append("PD")
        elif total <= (1.0 + PARTIAL_RESPONSE) * sums[0]:
            responses.append("PR")
        else:
            responses.append("SD")
        smallest = min(smallest, total)
    return Reading(criterion, tuple(s.day for s in scans), tuple(sums), tuple(responses))


def take_scans(days, whole_volume, viable_volume, time) -> list[Scan]:
    """Scans at `days` from volumes (mm^3, arrays [time, lesion]) saved at `time` (days), interpolated linearly."""
    out = []
    for day in days:
        whole = [float(diameter(np.interp(day, time, whole_volume[:, b]))) for b in range(whole_volume.shape[1])]
        viable = [float(diameter(np.interp(day, time, viable_volume[:, b]))) for b in range(whole_volume.shape[1])]
        out.append(Scan(float(day), tuple(whole), tuple(viable)))
    return out


def response_endpoints(scans: Sequence[Scan], criterion: str) -> dict[str, float | str]:
    """Endpoints of one criterion: best response and its indicators, depth, duration, time to progression."""
    reading = read_scans(scans, criterion)
    best, day = reading.best, reading.progression
    out: dict[str, float | str] = {
        f"best_response_{criterion}": best,
        f"orr_{criterion}": int(best in ("CR", "PR")),
        f"dcr_{criterion}": int(best in ("CR", "PR", "SD")),
        f"depth_{criterion}": reading.depth,
        f"dor_{criterion}": reading.duration,
        f"ttp_{criterion}": scans[-1].day if day is None else day,
        f"ttp_{criterion}_event": int(day is not None),
    }
    for response in RESPONSES:
        out[f"{response.lower()}_{criterion}"] = int(best == response)
    return out


def landmark_endpoints(time, series: dict[str, np.ndarray], relative: dict[str, np.ndarray]) -> dict[str, float]:
    """Values at the landmark days that the run covers: `<name>_dN`; `relative` series over their first value."""
    out = {}
    for day in LANDMARKS:
        if day > time[-1] + 1e-9:
            continue
        for name, values in series.items():
            out[f"{name}_d{day}"] = float(np.interp(day, time, values))
        for name, values in relative.items():
            start = float(np.interp(0.0, time, values))
            out[f"{name}_d{day}"] = float(np.interp(day, time, values)) / start if start else math.nan
    return out
