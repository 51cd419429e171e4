"""The posterior file: members of an ensemble with the model they belong to, in JSON.

`model_digest` is of what a parameter means: laws, declared parameters, drug data, and what sessions and procedures do.
The integrator, which keeps its error below a tolerance, and the notes beside a law do not count.  A posterior of
another model is refused.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.calibrated import TYPICAL
from tme_sim.catalogue import choices_text
from tme_sim.diagnostics import InputError, Problem, read_text
from tme_sim.formats import json_text
from tme_sim.priors import Priors, generator, systematic

__all__ = ["FORMAT", "TYPICAL", "Posterior", "load_posterior", "model_digest", "posterior_text"]

FORMAT = 1
DRUGS = "therapies/drugs/*.toml"


def model_digest(own: Mapping[str, str] | None = None, hypotheses: Mapping[str, str] | None = None) -> str:
    """Hex digest (64 bit) of laws, parameters, drugs, sessions and procedures, of the user's mechanism files `own`, and
    of the `hypotheses` that are followed.

    Registered hypotheses that are not chosen do not count, so that offering another one changes nothing.
    """
    import tme_sim
    from tme_sim import foci, jumps
    from tme_sim.mechanisms.registry import all_mechanisms
    from tme_sim.therapies import procedures, reach, session

    root = Path(tme_sim.__file__).parent
    h = hashlib.blake2b((root / "laws.py").read_bytes(), digest_size=8)
    for mechanism in all_mechanisms():
        h.update(f"\0{mechanism.name}\n".encode())
        for law in _laws(mechanism):
            h.update(inspect.getsource(law).encode())
        h.update(_stated((*mechanism.parameters, *mechanism.lesion_parameters)).encode())
    h.update(_stated(session.all_parameters()).encode())
    for module in (session, reach, procedures, jumps, foci):
        h.update(_done_by(module).encode())
    for path in sorted(root.glob(DRUGS)):
        h.update(path.name.encode() + b"\0" + path.read_bytes())
    h.update(json.dumps(dict(sorted((own or {}).items()))).encode())
    chosen = {slot: choice for slot, choice in (hypotheses or {}).items() if choice != "default"}
    offered = {(one.slot, one.choice): one for mechanism in all_mechanisms() for one in mechanism.hypotheses}
    for way in sorted(chosen.items()):
        h.update("\0{} = {}\n".format(*way).encode())
        h.update(_followed(offered[way]).encode())
    return h.hexdigest()


def _laws(mechanism: Any) -> list[Any]:
    """Functions of a mechanism in the order they stand there, those of hypotheses left out."""
    parts = (*mechanism.processes, *mechanism.signals, *mechanism.totals, *mechanism.modulations)
    return [p.law for p in parts] + [s.initial for s in mechanism.species if callable(s.initial)]


def _done_by(module: Any) -> str:
    """Functions and classes of a module, in the order of their names."""
    own = [one for one in vars(module).values() if getattr(one, "__module__", None) == module.__name__
           and (inspect.isfunction(one) or inspect.isclass(one))]  # fmt: skip
    return "".join(inspect.getsource(one) for one in sorted(own, key=lambda one: one.__name__))


def _stated(parameters: Iterable[Any]) -> str:
    """Parameters as the digest knows them: a line each."""
    return "".join(f"{p.name} {p.value!r} {p.unit}\n" for p in parameters)


def _followed(hypothesis: Any) -> str:
    """What a chosen hypothesis says: its laws, and the parameters and laws that it adds."""
    added = hypothesis.adds
    laws = [*hypothesis.laws.values(), *(() if added is None else _laws(added))]
    values = () if added is None else (*added.parameters, *added.lesion_parameters)
    return "".join(map(inspect.getsource, laws)) + _stated(values)


@dataclass(frozen=True)
class Posterior:
    """An ensemble: `scores` [member, k] and `weights` (member) under `priors` (internal units); `data` is the file."""

    priors: Priors
    scores: np.ndarray
    weights: np.ndarray
    model_digest: str
    digest: str
    name: str = ""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def hypotheses(self) -> dict[str, str]:
        """The hypotheses under which it was fitted."""
        return dict(self.data.get("hypotheses", {}))

    def apart(self, hypotheses: Mapping[str, str]) -> str:
        """What to tell after "follow" of patients under other hypotheses than those of the fit; "" of the same."""
        if dict(hypotheses) == self.hypotheses:
            return ""
        theirs, fitted = (choices_text(one) or "no hypothesis" for one in (hypotheses, self.hypotheses))
        return f"{theirs}, the posterior was fitted under {fitted}"

    def __len__(self) -> int:
        return len(self.weights)

    def values(self, member: int | str = TYPICAL) -> dict[str, float]:
        """Values by name (internal units) of a member, counted from 1; of "typical" those that were fitted, at the mean
        of the members.

        Raises:
            ValueError: there is no such member.
        """
        if member == TYPICAL:
            scores = self.weights @ self.scores / self.weights.sum()
        elif isinstance(member, int) and 1 <= member <= len(self):
            scores = self.scores[member - 1]
        else:
            raise ValueError(f"there is no member {member}; they are counted from 1 to {len(self)}")
        kept = [p["name"] for p in self.data["parameters"] if member != TYPICAL or p.get("fitted")]
        found = dict(zip(self.priors.names, map(float, self.priors.values(scores)), strict=True))
        return {name: found[name] for name in kept}

    def at(self, share: float) -> int:
        """The member, from 1, that lies at a share (from 0 to 1) of all weights: equal steps meet members as often as
        they weigh."""
        edges = np.cumsum(self.weights / self.weights.sum())
        return min(int(np.searchsorted(edges, share, side="right")), len(self) - 1) + 1

    def members(self, n: int, seed: int = 1) -> np.ndarray:
        """Scores of `n` members [n, k] in proportion to their weights.

        Raises:
            ValueError: fewer than one.
        """
        if n < 1:
            raise ValueError(f"at least one member is needed, not {n}")
        at = systematic(self.weights, n, generator(seed, 7))
        return self.scores[at]


def posterior_text(data: dict[str, Any]) -> str:
    """The text of a posterior file, with the digest of its content."""
    data = {k: v for k, v in data.items() if k != "posterior_digest"}
    return json_text(data | {"posterior_digest": _digest(data)})


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json_text(data).encode()).hexdigest()[:32]


def load_posterior(path: str | Path, *, own: Mapping[str, str] | None = None) -> Posterior:
    """Read a posterior file of the model that is installed.

    Raises:
        InputError: a file that is none, was changed by hand, or belongs to another model.
    """

    def wrong(key: str, message: str) -> InputError:
        return InputError(Problem(str(path), key, message))

    try:
        data = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise wrong("", f"is no posterior file: {error}") from None
    needed = {"format", "model_digest", "posterior_digest", "parameters", "members"}
    if not isinstance(data, dict) or not needed <= set(data):
        missing = ", ".join(sorted(needed - set(data))) if isinstance(data, dict) else "all keys"
        raise wrong("", f"is no posterior file: it lacks {missing}; tme-sim calibrate writes one")
    if data["format"] != FORMAT:
        raise wrong("format", f"is {data['format']!r}; this version reads format {FORMAT}")
    if data["posterior_digest"] != _digest({k: v for k, v in data.items() if k != "posterior_digest"}):
        raise wrong("posterior_digest", "does not fit the content: the file was cut or changed since it was written")
    try:
        now = model_digest(own, data.get("hypotheses"))
    except KeyError as error:
        raise wrong("hypotheses", f"{error.args[0]!r} is not offered by the installed model") from None
    if data["model_digest"] != now:
        raise wrong("model_digest", (
            f"{data['model_digest']} is of another model than the installed one, {now}: parameters may mean something "
            "else there. Calibrate again: tme-sim calibrate configs/calibration/default.toml --out DIR"))  # fmt: skip
    listed = data["parameters"]
    priors = Priors(tuple(p["name"] for p in listed), *(np.array([p[k] for p in listed], dtype=np.float64)
                    for k in ("centre", "low", "high")), np.array([p["log"] for p in listed], dtype=bool))  # fmt: skip
    scores = np.array(data["members"]["scores"], dtype=np.float64)
    weights = np.array(data["members"]["weights"], dtype=np.float64)
    low, high = priors.bounds()
    if scores.ndim != 2 or scores.shape != (len(weights), len(listed)) or not np.isfinite(scores).all():
        raise wrong("members.scores", "must hold one number per member and parameter")
    if not (weights >= 0).all() or weights.sum() <= 0:
        raise wrong("members.weights", "must not be negative and not all 0")
    if (scores < low - 1e-6).any() or (scores > high + 1e-6).any():
        raise wrong("members.scores", "leave the evidence range of a parameter")
    return Posterior(priors, scores, weights, data["model_digest"], data["posterior_digest"], data.get("name", ""),
                     data)  # fmt: skip
