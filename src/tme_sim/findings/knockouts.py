"""Which arrow makes timing matter: how far the arms lie apart with each arrow of the network cut.

The arms run with the network whole and with the gain of one arrow at 0 at a time, on the same members.  What timing is
worth is the gap between the best and the worst arm; an arrow carries the part of it that is gone when it is cut (below
0: the arrow hides a difference).  The untreated growth of a lesion is as drawn with any arrow cut, because the model
solves its baseline anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.findings.surface import Band
from tme_sim.findings.table import Missing, Table, cube, sense_of

__all__ = ["WHOLE", "Knockout", "Knockouts", "knockouts_of"]

WHOLE = "none"  # the name of the network with nothing cut


@dataclass(frozen=True)
class Knockout:
    """The arms with one arrow cut: `gap` between best and worst, over members; `carried` is the part of the whole
    gap that is gone (1: without this arrow timing does not matter), over members; `best` and `worst` by the mean.
    """

    arrow: str
    gap: Band
    carried: Band
    best: str
    worst: str
    means: tuple[float, ...]


@dataclass(frozen=True)
class Knockouts:
    """All of them, the arrow that carries most first; `whole` is the network with nothing cut."""

    outcome: str
    sense: int
    arms: tuple[str, ...]
    whole: Knockout
    cut: tuple[Knockout, ...]
    missing: Missing


def knockouts_of(
    table: Table, outcome: str, *, arrow: str = "arrow", arm: str = "arm", member: Sequence[str] = ("replicate",),
    better: str | None = None,
) -> Knockouts:
    """Read a table whose column `arrow` names what is cut ("none": nothing) and whose column `arm` names the protocol.

    The gap of a member is between the arms that are best and worst for the mean with nothing cut, so that it may change
    its sign.

    Raises:
        InputError: no rows of the whole network, fewer than two arms, too many failed runs.
    """
    sense = sense_of(outcome, better)
    found = cube(table, outcome, (arrow, arm), member)
    arms = tuple(dict.fromkeys(c[1] for c in found.cells))
    names = tuple(dict.fromkeys(c[0] for c in found.cells))
    if WHOLE not in names:
        raise InputError(Problem("study", arrow, f'no run has "{WHOLE}"; the whole network is needed to compare with'))
    if len(arms) < 2 or len(found.cells) != len(arms) * len(names):
        raise InputError(Problem("study", arm, "at least two arms are needed, each with every arrow"))
    values = sense * found.values.reshape(len(found.members), len(names), len(arms))
    at = names.index(WHOLE)
    top, low = (int(f(values[:, at].mean(axis=0))) for f in (np.argmax, np.argmin))
    gaps = values[:, :, top] - values[:, :, low]
    whole = gaps[:, at]
    floor = 1e-12 * max(1.0, float(np.abs(values).max()))
    if whole.mean() <= floor:
        raise InputError(Problem("study", outcome, "the arms do not differ at all; timing does not matter here"))
    out = {}
    for k, name in enumerate(names):
        mean = values[:, k].mean(axis=0)
        carried = 1.0 - gaps[:, k] / np.where(np.abs(whole) > floor, whole, np.nan)
        carried = carried[np.isfinite(carried)]
        out[name] = Knockout(name, Band.of(gaps[:, k]), Band.of(carried), arms[int(mean.argmax())],
                             arms[int(mean.argmin())], tuple(float(sense * m) for m in mean))  # fmt: skip
    cut = sorted((k for n, k in out.items() if n != WHOLE), key=lambda k: -abs(k.carried.median))
    return Knockouts(outcome, sense, arms, out[WHOLE], tuple(cut), found.missing)
