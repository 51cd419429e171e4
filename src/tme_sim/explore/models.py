"""Compiled models that all tabs share: each structure is compiled once, by the first who asks."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tme_sim.plan import Plan, slots_for
from tme_sim.simulation import SetUp, structures

__all__ = ["Models"]


class Models:
    """Makes plans ready to integrate; safe for several threads.

    The first plan of a structure compiles it (or loads it from the cache), and others of the same structure wait for
    that; plans of structures that are there already never wait.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._makers: dict[tuple, tuple[threading.Lock, Callable[[Plan], SetUp]]] = {}
        self._done: set[tuple] = set()
        self.cells = False  # whether a run of single cells is under way; one at a time

    @staticmethod
    def key(plan: Plan) -> tuple:
        """What plans of one structure share."""
        hypotheses = tuple(sorted(plan.hypotheses.items()))
        return tuple(map(id, plan.mechanisms)), tuple(plan.off), hypotheses, slots_for(len(plan.lesions))

    def has(self, plan: Plan) -> bool:
        """Whether the structure of a plan is there already."""
        return self.key(plan) in self._done

    def set_up(self, plan: Plan) -> SetUp:
        """:func:`tme_sim.simulation.set_up` with what is there already.

        Raises:
            NetworkError, BaselineError: as there.
        """
        key = self.key(plan)
        with self._lock:
            lock, make = self._makers.setdefault(key, (threading.Lock(), structures()))
        if key in self._done:
            return make(plan)
        with lock:
            ready = make(plan)
            self._done.add(key)
        return ready
