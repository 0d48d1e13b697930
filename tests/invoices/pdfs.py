"""What a PDF of ours says, read back from its own streams and its font's map to Unicode."""

import re
import zlib

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_SHOWN = re.compile(rb"\(((?:[^()\\]|\\.)*)\) ?Tj", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def text_of(pdf: bytes) -> str:
    """The texts of all pages in the order they are drawn, one a line."""
    streams = [_plain(found) for found in _STREAM.findall(pdf)]
    glyphs = _glyphs(next(stream for stream in streams if b"beginbfchar" in stream))
    shown = [text for stream in streams for text in _SHOWN.findall(stream)]
    return "\n".join(_read(_unescaped(text), glyphs) for text in shown).replace("\u00a0", " ")


def _plain(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream)  # its last byte may look like a line end
    except zlib.error:
        return stream


def _glyphs(cmap: bytes) -> dict[int, str]:
    pairs = re.findall(rb"<([0-9A-Fa-f]{4})> <([0-9A-Fa-f]+)>", cmap)
    return {int(code, 16): bytes.fromhex(to.decode()).decode("utf-16-be") for code, to in pairs}


def _unescaped(text: bytes) -> bytes:
    return re.sub(rb"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text, flags=re.DOTALL)


def _read(text: bytes, glyphs: dict[int, str]) -> str:
    codes = [int.from_bytes(text[at : at + 2]) for at in range(0, len(text), 2)]
    return "".join(glyphs.get(code, "?") for code in codes)
