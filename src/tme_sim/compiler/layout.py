"""Index maps of a compiled model, generated from names."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

Table = dict[str, list[str]]


@dataclass
class Layout:
    """Which name stands where in the states, held inputs, parameters, working vector and observables.

    Every table has the names of the body and those of one lesion; the vectors hold the body and then one block per
    lesion.  `solved` are the names that the baseline program stores; `nodes` the observables; `rows` and `cols` the
    pattern of the Jacobian.
    """

    n_lesions: int
    states: Table
    held: Table
    parameters: Table
    solved: Table
    nodes: Table
    rows: list[int] = field(default_factory=list)
    cols: list[int] = field(default_factory=list)

    def to_dict(self) -> dict:
        """Plain data for the cache."""
        return asdict(self)
    def size(self, table: dict[str, list[str]]) -> int:
        """Length of the vector laid out by `table`."""
        return len(table["body"]) + self.n_lesions * len(table["lesion"])

    @property
    def theta(self) -> dict[str, list[str]]:
        """Names of the working vector by place."""
        return {w: self.parameters[w] + self.solved[w] for w in ("body", "lesion")}

    def index(self, table: dict[str, list[str]], name: str, lesion: int = 0) -> int:
        """Position of `name` (of lesion number `lesion`, if it belongs to lesions) in the vector of `table`."""
        if name in table["body"]:
            return table["body"].index(name)
        return len(table["body"]) + lesion * len(table["lesion"]) + table["lesion"].index(name)

    def labels(self, table: dict[str, list[str]]) -> list[str]:
        """Names in vector order; lesion names carry the lesion number from 1, `CD8.1`."""
        out = list(table["body"])
        for b in range(self.n_lesions):
            out += [f"{name}.{b + 1}" for name in table["lesion"]]
        return out
