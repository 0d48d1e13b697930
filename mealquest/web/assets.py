"""Static files: read and compressed once, cached for a year under a URL that holds their hash."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import brotli
from flask import Flask, Response, abort, g, request, url_for

ENDPOINT = "static_file"
A_YEAR = "public, max-age=31536000, immutable"
A_MINUTE = "public, max-age=60"
COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class Asset:
    digest: str
    mimetype: str
    bodies: dict[str, bytes]  # by content encoding; "" is the file as it is

    def best(self) -> tuple[str, bytes]:
        """The encoding this request takes that makes the file smallest, and its bytes."""
        accepted = request.accept_encodings
        encoding = next((e for e in ("br", "gzip") if e in self.bodies and accepted[e] > 0), "")
        return encoding, self.bodies[encoding]


def install(app: Flask, folder: Path) -> None:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}

    @cache
    def load(path: Path) -> Asset:
        return _read(path)

    def find(name: str) -> Asset | None:
        """Only what was listed at the start: no name in a request becomes a path."""
        path = files.get(name)
        return load(path) if path and path.is_file() else None

    def serve(name: str) -> Response:
        asset = find(name) or abort(404)
        encoding, body = asset.best()
        response = Response(body, mimetype=asset.mimetype)
        if encoding:
            response.headers["Content-Encoding"] = encoding
        response.vary.add("Accept-Encoding")
        exact = request.args.get("v") == asset.digest
        response.headers["Cache-Control"] = A_YEAR if exact else A_MINUTE
        response.set_etag(f"{asset.digest}-{encoding or 'plain'}")
        response.make_conditional(request)
        return response

    def static_url(name: str) -> str:
        """The file's address with its digest, worked out once a request: icons ask for it often."""
        known: dict[str, str] = g.setdefault("static_urls", {})
        if name not in known:
            known[name] = address(name)
        return known[name]

    def address(name: str) -> str:
        asset = find(name)
        if asset is None:
            raise FileNotFoundError(f"static/{name}")
        return url_for(ENDPOINT, name=name, v=asset.digest)

    app.add_url_rule("/static/<path:name>", ENDPOINT, serve)
    app.add_template_global(static_url, "static_url")


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    mimetype = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    bodies = {"": body}
    if mimetype.startswith(COMPRESSIBLE) or "javascript" in mimetype:
        bodies["gzip"] = gzip.compress(body, 9, mtime=0)
        bodies["br"] = brotli.compress(body)
    return Asset(hashlib.sha256(body).hexdigest()[:12], mimetype, bodies)
