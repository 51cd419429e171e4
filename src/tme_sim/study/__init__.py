"""Studies: many runs of one scenario with something varied, kept in a store that survives whatever happens.

``study = load_study("experiments/NAME/study.toml")`` reads and checks a study; ``store = run_study(study, out)`` runs
what the store does not hold yet; ``store.table(study)`` gives columns in the order of the plan.  The same from the
command line: ``tme-sim sweep``, ``merge``, ``store`` and ``export``.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "Arm", "Factor", "Interrupted", "Outputs", "Progress", "Store", "StoreError", "Study", "load_study", "open_store",
    "run_study", "run_table",
]  # fmt: skip

_PLACES = {
    "Arm": "definition", "Factor": "factors", "Interrupted": "execute", "Outputs": "definition",
    "Progress": "execute", "Store": "store", "StoreError": "store", "Study": "definition", "load_study": "reading",
    "open_store": "store", "run_study": "execute", "run_table": "execute",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"tme_sim.study.{_PLACES[name]}"), name)
