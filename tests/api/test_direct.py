"""The short way of the hot path: the same answers as by Django's whole way, and no connection that broke."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections

from apps.api.direct import direct
from apps.api.shedding import Application
from tests.api.conftest import Caller

LIST = "/api/v1/recommendations?surface=dating&member=ada"
ASKED = [
    ("GET", LIST),
    ("GET", LIST + "&limit=0"),
    ("GET", LIST + "&colour=red"),
    ("GET", "/api/v1/recommendations"),
    ("GET", "/api/v1/recommendations?surface=%ff&member=ada"),
    ("HEAD", LIST),
    ("DELETE", LIST),
    ("POST", "/api/v1/rankings"),
    ("GET", "/api/v1/rankings"),
]


def no_such_address(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    raise AssertionError(environ["PATH_INFO"])


def answer_of(application: Application, method: str, address: str, **headers: str) -> tuple[Any, ...]:
    """Status, headers and body."""
    split, body = urlsplit(address), json.dumps({"surface": "dating", "member": "ada"}).encode()
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": split.path,
        "QUERY_STRING": split.query,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        **headers,
    }
    said: list[Any] = []
    pieces = application(environ, lambda status, named: said.extend([status, sorted(named)]))
    return *said, b"".join(pieces)


@pytest.mark.parametrize(("method", "address"), ASKED)
def test_both_ways_give_the_same_answer(call: Caller, method: str, address: str) -> None:
    key = {"HTTP_AUTHORIZATION": f"Api-Key {call.secret}"}
    for headers in (key, {}, key | {"HTTP_ACCEPT": "text/html"}):
        directly = answer_of(direct(no_such_address), method, address, **headers)
        assert directly == answer_of(WSGIHandler(), method, address, **headers)
        assert ("X-Content-Type-Options", "nosniff") in directly[1]


def test_a_host_that_is_not_ours_is_refused_by_both_alike(db: None, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT, settings.ALLOWED_HOSTS = True, ["localhost"]
    for host, status in {
        "elsewhere.example": "400 Bad Request",
        "localhost": "301 Moved Permanently",
    }.items():
        directly = answer_of(direct(no_such_address), "GET", LIST, HTTP_HOST=host)
        assert directly == answer_of(WSGIHandler(), "GET", LIST, HTTP_HOST=host)
        assert directly[0] == status


def test_all_other_addresses_take_the_whole_way() -> None:
    app = direct(lambda environ, start_response: [b"Django's"])
    for address in ("/api/v1/events", "/api/v1/recommendations/", "/health/live"):
        assert app({"PATH_INFO": address}, lambda *_: None) == [b"Django's"]


def test_a_connection_that_broke_is_not_used_again(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    mine = connections["default"]
    monkeypatch.setattr(mine, "close_if_unusable_or_obsolete", lambda: looked_at.append(mine.alias))
    answer_of(direct(no_such_address), "GET", LIST)
    assert looked_at == ["default"]
