"""Static files: read and compressed once, cached for a year under a URL that holds their hash."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import brotli
from flask import Flask, Response, abort, request, url_for

A_YEAR = "public, max-age=31536000, immutable"
A_MINUTE = "public, max-age=60"
COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class Asset:
    digest: str
    mimetype: str
    bodies: dict[str, bytes]  # by content encoding; "" is the file as it is

    def best(self, accepted: str) -> tuple[str, bytes]:
        names = {part.split(";")[0].strip() for part in accepted.split(",")}
        encoding = next((name for name in ("br", "gzip") if name in names & set(self.bodies)), "")
        return encoding, self.bodies[encoding]


def install(app: Flask, folder: Path) -> None:
    root = folder.resolve()

    @cache
    def load(name: str) -> Asset | None:
        path = (root / name).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            return None
        return _read(path)

    def serve(name: str) -> Response:
        asset = load(name) or abort(404)
        encoding, body = asset.best(request.headers.get("Accept-Encoding", ""))
        response = Response(body, mimetype=asset.mimetype)
        if encoding:
            response.headers["Content-Encoding"] = encoding
        response.vary.add("Accept-Encoding")
        response.headers["Cache-Control"] = A_YEAR if "v" in request.args else A_MINUTE
        response.set_etag(f"{asset.digest}-{encoding or 'plain'}")
        response.make_conditional(request)
        return response

    def static_url(name: str) -> str:
        asset = load(name)
        if asset is None:
            raise FileNotFoundError(f"static/{name}")
        return url_for("static_file", name=name, v=asset.digest)

    app.add_url_rule("/static/<path:name>", "static_file", serve)
    app.add_template_global(static_url, "static_url")


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    mimetype = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    bodies = {"": body}
    if mimetype.startswith(COMPRESSIBLE) or "javascript" in mimetype:
        bodies["gzip"] = gzip.compress(body, 9, mtime=0)
        bodies["br"] = brotli.compress(body)
    return Asset(hashlib.sha256(body).hexdigest()[:12], mimetype, bodies)
