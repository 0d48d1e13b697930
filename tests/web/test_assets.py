"""Static files: compressed, cached for long under their hash, and nothing else of the disk."""

import gzip
import re

import brotli
import pytest

from mealquest.application import ROOT

CSS = "/static/css/mealquest.css"


def test_a_page_names_its_files_with_their_hash(client) -> None:
    page = client.get("/console/sign-in").text
    urls = re.findall(r'(?:src|href)="(/static/[^"#]+)', page)

    assert len(urls) >= 4
    for url in urls:
        answer = client.get(url)
        assert answer.status_code == 200
        assert re.fullmatch(r"/static/[^?]+\?v=[0-9a-f]{12}", url)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789ab", "?x=1"])
def test_only_the_hash_of_what_is_sent_makes_it_last(client, query) -> None:
    """A page of the next release may ask a process of this one: that must not stick for a year."""
    assert client.get(CSS + query).headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("br", "br"),
        ("gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("*", "br"),
        ("deflate", ""),
        ("identity", ""),
        ("br;q=0, gzip;q=0", ""),
        ("", ""),
    ],
)
def test_files_are_compressed_as_the_browser_can_read_them(client, accepted, encoding) -> None:
    answer = client.get(CSS, headers={"Accept-Encoding": accepted})
    whole = (ROOT / "static/css/mealquest.css").read_bytes()
    unpacked = {"br": brotli.decompress, "gzip": gzip.decompress, "": bytes}[encoding]

    assert answer.headers.get("Content-Encoding", "") == encoding
    assert unpacked(answer.data) == whole
    assert answer.headers["Vary"] == "Accept-Encoding"
    if encoding:
        assert len(answer.data) < len(whole) / 3


def test_each_encoding_has_a_tag_of_its_own(client) -> None:
    tags = {
        client.get(CSS, headers={"Accept-Encoding": encoding}).headers["ETag"]
        for encoding in ("br", "gzip", "identity")
    }
    assert len(tags) == 3
    for tag in tags:
        again = client.get(CSS, headers={"If-None-Match": tag, "Accept-Encoding": "br"})
        assert again.status_code == (304 if "br" in tag else 200)


@pytest.mark.parametrize(
    "name",
    [
        "../app.py",
        "%2e%2e/app.py",
        "..%2fapp.py",
        "css/../../app.py",
        "css/%2e%2e/%2e%2e/app.py",
        "//etc/passwd",
        "/etc/passwd",
        "%00",
        "css/mealquest.css%00.svg",
        "css",
        "css/",
        "",
        ".",
        "C:/windows",
        "x" * 5000,
        "%ff%fe",
        "CSS/MEALQUEST.CSS",
    ],
)
def test_nothing_else_of_the_disk_is_served(client, name) -> None:
    answer = client.get(f"/static/{name}")

    assert answer.status_code in {404, 308}
    assert b"mealquest import launch" not in answer.data
    assert b"root:" not in answer.data


def test_files_are_there_to_be_read_only(client) -> None:
    for verb in ("POST", "PUT", "DELETE"):
        assert client.open(CSS, method=verb).status_code == 405
    assert client.head(CSS).headers["Content-Type"] == "text/css; charset=utf-8"
