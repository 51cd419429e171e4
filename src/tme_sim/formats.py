"""Arrays and JSON as bytes: the same values give the same bytes, and what is read is not trusted."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tme_sim.diagnostics import InputError, Problem, quoted

if TYPE_CHECKING:
    import numpy as np

MAX_ARRAY_BYTES = 2 * 10**9
_EPOCH = (1980, 1, 1, 0, 0, 0)


def array_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Named arrays as a ``.npz``, without compression and with a fixed date, so that equal arrays are equal bytes."""
    import zipfile

    import numpy as np

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, stream.getvalue())
    return out.getvalue()


def read_arrays(content: bytes, name: str, max_bytes: int = MAX_ARRAY_BYTES) -> dict[str, np.ndarray]:
    """Arrays of a ``.npz``; the directory and each header are checked before memory is taken, nothing is unpickled.

    Raises:
        InputError: damaged, too large, or holding what is no plain array of numbers or text.
    """
    import zipfile
    import zlib

    import numpy as np

    def wrong(reason: str) -> InputError:
        """The error for this file, raised in several places below."""
        return InputError(Problem(name, "", reason))

    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > 1000:
                raise wrong("holds more arrays than any run")
            if sum(m.file_size for m in members) > max_bytes:
                raise wrong(f"declares more than {max_bytes} bytes")
            for member in members:
                with archive.open(member) as stream:
                    version = np.lib.format.read_magic(stream)
                    if version not in ((1, 0), (2, 0)):
                        raise wrong(f"{quoted(member.filename)} is of an unknown array format")
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shape, fortran, dtype = read(stream, max_header_size=4096)
                    if dtype.kind not in "fiuU" or dtype.hasobject:
                        raise wrong(f"{quoted(member.filename)} holds neither numbers nor text")
                    size = math.prod(shape) * dtype.itemsize
                    if size > member.file_size or any(n < 0 for n in shape):
                        raise wrong(f"{quoted(member.filename)} declares more data than it holds")
                    data = stream.read()
                if len(data) != size:
                    raise wrong(f"{quoted(member.filename)} is cut")
                array = np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C")
                arrays[member.filename.removesuffix(".npy")] = array
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, RuntimeError, SyntaxError, KeyError,
            TypeError, OverflowError) as error:  # fmt: skip
        if isinstance(error, InputError):
            raise
        raise wrong("is damaged or no array file") from error
    return arrays


def json_text(data: Any) -> str:
    """JSON with sorted keys and floats by their shortest exact form; a number that is not finite becomes null."""
    return json.dumps(_json_safe(data), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _json_safe(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _json_safe(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_safe(v) for v in value]
    if isinstance(value, (bool, str)) or value is None:
        return value
    if hasattr(value, "item"):  # numpy scalars
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) else str(value)
