"""What the solvers share: options of compilation, checks of arguments, work dealt to threads."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


def as_volume(name: str, array) -> np.ndarray:
    """The same memory as (nz, ny, nx); `array` is float64 (ny, nx) or (nz, ny, nx), C-contiguous and not empty.

    Raises:
        ValueError: it is not; the message names the argument.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.float64 or not array.flags.c_contiguous:
        raise ValueError(f"{name}: expected a C-contiguous float64 array, since it is changed in place")
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"{name}: expected shape (ny, nx) or (nz, ny, nx), got {array.shape}")
    return array.reshape((-1, *array.shape[-2:]))


def as_values(name: str, value, shape, least=-np.inf) -> np.ndarray:
    """`value` (number or array of the field's shape) as a C-contiguous float64 array of shape `shape`.

    Raises:
        ValueError: another shape, a value that is not finite, or one below `least`.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.ndim not in (0, len(shape)) and array.ndim == len(shape) - 1:
        array = array[None]
    if array.ndim and array.shape != shape:
        raise ValueError(f"{name}: expected a number or shape {shape}, got {array.shape}")
    low, high = array.min(), array.max()  # both pass on what is not a number
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name}: not finite")
    if low < least:
        raise ValueError(f"{name}: {low:g} is below {least:g}")
    return np.ascontiguousarray(array if array.shape == shape else np.broadcast_to(array, shape))


def positive(name: str, value) -> float:
    """`value` as a float.

    Raises:
        ValueError: it is not finite or not above zero.
    """
    if not np.isfinite(value) or value <= 0:
        raise ValueError(f"{name}: expected a number above 0, got {value}")
    return float(value)


@contextmanager
def dealer(threads: int):
    """A function deal(number, work) that calls work(first, last) over ranges that cover range(number).

    With one thread it is a single call.  The ranges never change a bit of what the kernels here compute.
    """
    if threads <= 1:
        yield lambda number, work: work(0, number)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:

        def deal(number, work):
            edges = [number * k // threads for k in range(threads + 1)]
            for done in [pool.submit(work, a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]:
                done.result()

        yield deal
