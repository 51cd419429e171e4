"""What a process shows of itself: the digests of the scenarios, and marks that tell whether a switch was felt.

    python -m tests.promises.fingerprint [NAME ...]
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time


def libm() -> str:
    """Digest of what the C library's functions give; changes with its variants."""
    values = [f(0.1 + 0.037 * i) for i in range(4000) for f in (math.exp, math.log, math.sin, math.atan)]
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def numpy_mark() -> str:
    """Digest of what numpy's vector functions give; changes with the instruction sets it may use."""
    import numpy as np

    x = np.linspace(-20.0, 20.0, 20_000)
    return hashlib.sha256(np.exp(x).tobytes() + np.tanh(x).tobytes()).hexdigest()[:16]


def main(chosen: list[str]) -> None:
    """Print everything as JSON."""
    import locale

    import numba

    from tests.promises import golden

    locale.setlocale(locale.LC_ALL, "")
    print(json.dumps({
        "table": {name: golden.digests(name) for name in chosen or golden.names()},
        "libm": libm(),
        "numpy": numpy_mark(),
        "cpu": numba.config.CPU_NAME,
        "threads": numba.get_num_threads(),
        "zone": time.tzname,
        "hash": hash("a word"),
        "locale": locale.setlocale(locale.LC_ALL),
    }))


if __name__ == "__main__":
    main(sys.argv[1:])
