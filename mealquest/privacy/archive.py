"""A ZIP file written while it is read, of pieces that come one after another."""

import io
import zipfile
from collections.abc import Iterable, Iterator


class _Outgoing(io.RawIOBase):
    """Takes what the ZIP writer writes until somebody fetches it. It cannot go back."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._written += piece
        return len(piece)

    def fetch(self) -> bytes:
        piece, self._written = bytes(self._written), bytearray()
        return piece


def zipped(pieces: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The archive piece by piece; pieces of one file stand together."""
    outgoing = _Outgoing()
    with zipfile.ZipFile(outgoing, "w", zipfile.ZIP_DEFLATED) as archive:
        entry, name = None, ""
        for piece_name, content in pieces:
            if entry is None or piece_name != name:
                if entry is not None:
                    entry.close()
                name = piece_name
                entry = archive.open(name, "w", force_zip64=True)
            entry.write(content)
            yield outgoing.fetch()
        if entry is not None:
            entry.close()
    yield outgoing.fetch()
