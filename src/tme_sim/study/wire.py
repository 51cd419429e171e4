"""How a driver and its workers talk: JSON in frames with a length, over the worker's standard input and output."""

from __future__ import annotations

import json
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO

from tme_sim.study.rows import Packed, packed

if TYPE_CHECKING:
    from tme_sim.row import Row

__all__ = ["Frames", "frame", "read_frame", "rows_from", "rows_to"]

HEAD = struct.Struct("<I")


def frame(message: Any) -> bytes:
    """A message as bytes; floats keep every bit."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return HEAD.pack(len(body)) + body


def read_frame(stream: BinaryIO) -> Any:
    """The next message of a blocking stream.

    Raises:
        EOFError: the other side is gone.
    """
    head = stream.read(HEAD.size)
    if head is None or len(head) < HEAD.size:
        raise EOFError
    size = HEAD.unpack(head)[0]
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    return json.loads(body)


class Frames:
    """Messages out of bytes that arrive in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Any]:
        """The messages complete after `data`."""
        self._rest += data
        out = []
        while len(self._rest) >= HEAD.size:
            end = HEAD.size + HEAD.unpack(self._rest[: HEAD.size])[0]
            if len(self._rest) < end:
                break
            out.append(json.loads(self._rest[HEAD.size : end]))
            self._rest = self._rest[end:]
        return out


def rows_to(rows: Iterable[Row | Packed]) -> dict[str, list[Any]]:
    """Rows as plain data, packed as the store keeps them; what they hold is said once, as it is the same in most."""
    layouts: dict[str, int] = {}
    told = [[row.status, row.message, layouts.setdefault(row.layout, len(layouts)), b64encode(row.data).decode()]
            for row in map(packed, rows)]  # fmt: skip
    return {"layouts": list(layouts), "rows": told}


def rows_from(told: dict[str, list[Any]]) -> list[Packed]:
    """The rows of :func:`rows_to`, still packed."""
    layouts = told["layouts"]
    return [Packed(status, message, layouts[at], b64decode(data)) for status, message, at, data in told["rows"]]
