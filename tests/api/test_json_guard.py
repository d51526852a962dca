"""The guard in front of every body, by itself."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.json_guard import _read_with_care, parse_json, read_body
from apps.api.problems import HttpProblem


def refusal(body: bytes) -> tuple[int, str, str | None]:
    with pytest.raises(HttpProblem) as caught:
        parse_json(body)
    return caught.value.status, caught.value.code, caught.value.field


def test_plain_json_comes_through_unchanged() -> None:
    assert parse_json('{"a": [1, 2.5, true, null, "é😀"], "b": {}}'.encode()) == {
        "a": [1, 2.5, True, None, "é😀"],
        "b": {},
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "malformed_json", None)),
        (b"{", (400, "malformed_json", None)),
        (b"\xff\xfe", (400, "malformed_json", None)),
        (b"NaN", (400, "malformed_json", None)),
        (b'{"a": -Infinity}', (400, "malformed_json", None)),
        (b'["a\nb"]', (400, "malformed_json", None)),
        (b'{"a": 1e999}', (400, "out_of_range", None)),
        (b'{"a": 9007199254740992}', (400, "out_of_range", None)),
        (b'{"a": ' + b"9" * 5000 + b"}", (400, "out_of_range", None)),
        (b'{"a": {"b": "x\\u0000"}}', (400, "invalid_text", "a.b")),
        (b'["ok", "\\ud800"]', (400, "invalid_text", "1")),
        (b'{"\\udc00": 1}', (400, "invalid_text", None)),
        (b'{"a": 1, "b": 2, "a": 3}', (400, "duplicate_key", "a")),
        (b'[{"a" : 1, "b": "a", "a" : 1}]', (400, "duplicate_key", "a")),
        (b'{"a": "\\"", "a": 1}', (400, "duplicate_key", "a")),
        (b'{"a": 18446744073709551616}', (400, "out_of_range", None)),
        (b'{"\\ud800": 1, "\\ud800": 2}', (400, "duplicate_key", "?")),
        (b"[" * 100_000, (400, "too_deep", None)),
        (b"[" * 100_000 + b"]" * 100_000, (400, "too_deep", None)),
        (b'{"a":' * 33 + b"1" + b"}" * 33, (400, "too_deep", None)),
        (b"[" + b",".join([b"0"] * 1001) + b"]", (400, "too_many_items", None)),
        (b'{"a": [' + b",".join([b"0"] * 1001) + b"]}", (400, "too_many_items", "a")),
    ],
)
def test_what_the_guard_refuses(body: bytes, expected: tuple[int, str, str | None]) -> None:
    assert refusal(body) == expected


def test_the_limits_themselves_are_allowed() -> None:
    assert parse_json(b"[" * 32 + b"]" * 32)
    assert len(parse_json(b"[" + b",".join([b"0"] * 1000) + b"]")) == 1000
    assert parse_json(b"[9007199254740991, -9007199254740991]") == [2**53 - 1, 1 - 2**53]
    assert parse_json(b'["\\ud83d\\ude00"]') == ["😀"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('ab"', max_size=2), inner, max_size=4)
    ),
)


@given(value=JSON, spaces=st.booleans(), ascii_only=st.booleans(), twice=st.booleans())
def test_what_is_read_quickly_is_read_as_with_care(
    value: object, spaces: bool, ascii_only: bool, twice: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1 if spaces else None)
    body = text.replace('"b"', '"a"' if twice else '"b"').encode("utf-8", "surrogatepass")
    assert outcome(parse_json, body) == outcome(_read_with_care, body)


def outcome(read: Callable[[bytes], object], body: bytes) -> object:
    try:
        return repr(read(body))
    except HttpProblem as problem:
        return problem.status, problem.code, problem.field


def test_a_body_over_a_mebibyte_is_refused_whether_or_not_it_says_so() -> None:
    stream = io.BytesIO(b"x" * (2 * 1024 * 1024))
    for declared in (2 * 1024 * 1024, None, 10):
        stream.seek(0)
        with pytest.raises(HttpProblem) as caught:
            read_body(stream, declared)
        assert caught.value.status == 413
        assert stream.tell() <= 1024 * 1024 + 1
    assert len(read_body(io.BytesIO(b"x" * 1024 * 1024), 1024 * 1024)) == 1024 * 1024
