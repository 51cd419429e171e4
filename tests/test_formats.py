"""Array files that are read without trust."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tme_sim.diagnostics import InputError
from tme_sim.formats import array_bytes, read_arrays


def npz(**members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


def npy(array, **options) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def lying_header(shape) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 8


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is damaged"),
        (b"PK\x03\x04 nonsense", "is damaged"),
        (npz(a=npy(np.array([object()]), allow_pickle=True)), "neither numbers nor text"),
        (npz(a=lying_header((10**12,))), "declares more data than it holds"),
        (npz(a=lying_header((-1,))), "declares more data than it holds"),
        (npz(a=lying_header(("__import__('os')",))), "is damaged"),
        (npz(a=npy(np.zeros(4))[:-3]), "more data than it holds|is cut"),
        (npz(a=npy(np.zeros(4)) + b"x"), "is cut"),
        (npz(a=b"\0" * 3_000_000), "declares more than 1000000 bytes"),
        (npz(**{f"a{i}": npy(np.zeros(1)) for i in range(1001)}), "more arrays than any run"),
    ],
)
def test_hostile_array_files(content, says):
    with pytest.raises(InputError, match=says):
        read_arrays(content, "t.npz", 1_000_000)


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_mutated_array_files_give_arrays_or_a_message(edits):
    content = bytearray(array_bytes({"time": np.arange(11.0), "values": np.ones((11, 3)), "names": np.array(["CD8.1"])}))
    for at, value in edits:
        content[at % len(content)] = value
    try:
        arrays = read_arrays(bytes(content), "t.npz")
    except InputError:
        return
    assert sum(a.nbytes for a in arrays.values()) < 100_000
