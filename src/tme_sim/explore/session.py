"""What one tab holds: a scenario as text, the way back, and pinned runs.  Nothing here knows of a browser or a network.

Edits of one gesture (a drag, a slider in motion) all start from the state before the gesture and make one step back.
An edit that gives no valid scenario is refused with the messages of the command line and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tme_sim.diagnostics import InputError, Problem, parse_toml
from tme_sim.explore.edits import apply_edit
from tme_sim.plan import plan_of
from tme_sim.scenario import Scenario
from tme_sim.toml_writer import write_toml

__all__ = ["Session", "Step"]

MOST_STEPS = 200
MOST_TEXT = 500_000


@dataclass(frozen=True)
class Step:
    """A state of the tab: plain data of the file, and the scenario they give."""

    data: dict
    scenario: Scenario


class Session:
    """A scenario that is edited.

    Raises:
        InputError: a scenario that cannot be simulated at this fidelity.
    """

    def __init__(self, scenario: Scenario):
        plan_of(scenario)
        data = scenario.data
        if isinstance(data.get("protocol"), dict):
            data["protocol"].pop("file", None)  # what it held is in place; a later --set of it means nothing
        self._past: list[Step] = [Step(data, scenario)]
        self._future: list[Step] = []
        self._gesture: object = None
        self._base = self._past[-1]
        self.revision = 0

    @property
    def scenario(self) -> Scenario:
        """The scenario as it stands."""
        return self._past[-1].scenario

    @property
    def config(self) -> str:
        """The config file of the scenario as it stands; reading it again gives the same run."""
        return write_toml(self._past[-1].data)

    @property
    def file_name(self) -> str:
        """What the config file is called."""
        return f"{self.scenario.name}.toml"

    @property
    def can_undo(self) -> bool:
        """Whether there is a step back."""
        return len(self._past) > 1

    @property
    def can_redo(self) -> bool:
        """Whether there is a step forward."""
        return bool(self._future)

    def edit(self, edit: Mapping[str, Any], gesture: object = None) -> None:
        """Change the scenario; see :data:`tme_sim.explore.edits.EDITS`.

        Raises:
            InputError: the change is refused, the scenario stays.
        """
        follows = gesture is not None and gesture == self._gesture
        base = self._base if follows else self._past[-1]
        step = self._checked(apply_edit(base.data, base.scenario, edit))
        if follows and self._past[-1] is not base:
            self._past[-1] = step
        else:
            self._push(step)
        if not follows:
            self._gesture, self._base = gesture, base
        self.revision += 1

    def load(self, text: str, name: str = "scenario.toml") -> None:
        """Take over another config file, given as text; the step back leads to the one before.

        Raises:
            InputError: with every mistake of the text; one that names other files is refused, as a page opens none.
        """
        if len(text) > MOST_TEXT:
            raise InputError(Problem(name, "", "is too long for the page; use tme-sim run"))
        raw, _ = parse_toml(text, name)
        protocol = raw.get("protocol")
        if isinstance(protocol, dict) and "file" in protocol:
            raise InputError(Problem(name, "protocol.file", (
                "names another file, and the page opens none; start with tme-sim explore FILE, or put the protocol "
                "into the file with tme-sim config show FILE")))
        scenario = Scenario.from_text(text, Path(name).name or "scenario.toml", catalogue=self.scenario.catalogue)
        plan_of(scenario)
        self._push(Step(scenario.data, scenario))
        self.revision += 1

    def take(self, scenario: Scenario) -> None:
        """Go on from another scenario, such as that of a pinned run."""
        self._push(Step(scenario.data, scenario))
        self.revision += 1

    def undo(self) -> None:
        """One step back, if there is one."""
        if self.can_undo:
            self._future.append(self._past.pop())
            self._gesture = None
            self.revision += 1

    def redo(self) -> None:
        """One step forward, if there is one."""
        if self._future:
            self._past.append(self._future.pop())
            self._gesture = None
            self.revision += 1

    def _push(self, step: Step) -> None:
        self._past.append(step)
        self._future.clear()
        self._gesture = None
        del self._past[:-MOST_STEPS]

    def _checked(self, data: dict) -> Step:
        scenario = Scenario.from_text(write_toml(data), self.file_name, catalogue=self.scenario.catalogue)
        plan_of(scenario)
        return Step(data, scenario)
