"""docs/api.md says what the code does: each body key by key, each line of the bad input table, each call."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.api.models import Scope
from tests.api.body_tables import BODIES, table_of
from tests.api.conftest import Caller, MakeCaller
from tests.api.problem import assert_problem

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "api.md").read_text()
BAD_INPUT = re.findall(
    r"^\| (.+?) \| (\d{3}) \| `(\w+)` \|$", GUIDE.split("## Bad input")[1], flags=re.MULTILINE
)
LIST = "GET /recommendations?surface=dating&member=ada"
MEMBER = {"display_name": "Ada"}
Case = Callable[[Caller], Any]


def put(**changes: Any) -> Case:
    return lambda call: call("PUT /members/ada", MEMBER | changes)


def send(name: str, body: Any = None, **headers: str) -> Case:
    return lambda call: call(name, body, **headers)


CASES: dict[str, Case] = {
    "NUL in a string of a body": put(bio="a\x00b"),
    "lone surrogate in a string of a body": put(bio="a\ud800b"),
    "NUL in a key of a body": send("PUT /members/ada", {"\x00": 1}),
    "100,000 levels of lists": send("POST /events", b"[" * 100_000 + b"]" * 100_000),
    "100,000 levels of objects": send("POST /rankings", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "duplicate keys": send("PUT /members/ada", b'{"display_name": "A", "display_name": "B"}'),
    "a body that is no JSON": send("POST /events", b"{'a': 1}"),
    "a body that is not UTF-8": send("POST /events", b'["\xff"]'),
    "a blank body": send("POST /rankings", b" "),
    "1,001 events": send("POST /events", [{}] * 1001),
    "1,001 members in bulk": send("POST /members/bulk", [{}] * 1001),
    "a 2 MiB body": send("POST /events", b" " * 2 * 1024 * 1024),
    "a number over 2^53": put(age_min=2**53),
    "a number that is infinite": send("PUT /members/ada", b'{"age_min": 1e999}'),
    "an object where a list is wanted": send("POST /events", {"events": []}),
    "text where a whole number is wanted": put(age_min="18"),
    "a number where text is wanted": put(display_name=5),
    "an unknown key": put(shoe_size=43),
    "a missing key": send("PUT /members/ada", {}),
    "an unknown value of an enumeration": put(status="alive"),
    "a birth date that is no date": put(birth_date="1990-02-30"),
    "a latitude of 91": put(home={"latitude": 91, "longitude": 0}),
    "an id of 65 characters": send(f"GET /members/{'a' * 65}"),
    "NUL in an id of the address": send("GET /members/a%00b"),
    "`?limit=-1`": send(f"{LIST}&limit=-1"),
    "`?limit=1e9`": send(f"{LIST}&limit=1e9"),
    "`?limit=0`": send(f"{LIST}&limit=0"),
    "`?limit=101`": send(f"{LIST}&limit=101"),
    "`?key=%00`": send("GET /members/ada?key=%00"),
    "`?member=%00`": send("GET /recommendations?surface=dating&member=%00"),
    "`?member=%FF`": send("GET /recommendations?surface=dating&member=%FF"),
    "an unknown parameter": send(f"{LIST}&page=2"),
    "a parameter given twice": send(f"{LIST}&member=ada"),
    "a missing parameter": send("GET /recommendations?surface=dating"),
    "a request_id that is no UUID": send(f"{LIST}&request_id=7"),
    "an unknown surface": send("GET /recommendations?surface=dancing&member=ada"),
    "an unknown member": send("GET /members/nobody"),
    "an unknown market": put(home={"latitude": 51.5, "longitude": 0, "market": "atlantis"}),
    "an unknown delivery": send("GET /deliveries/0d7a2a52-5a0c-8f0e-9d2b-2f8f3d9f3a11/trace"),
    "a delivery that is no UUID": send("GET /deliveries/latest/trace"),
    "no key": lambda call: Caller("")(LIST),
    "a wrong key": lambda call: Caller(f"{call.secret}x")(LIST),
    "another method": send("DELETE /events"),
    "another content type": send("POST /events", b"[]", content_type="text/csv"),
    "an address that is none": send("GET /matches"),
}
SPECIAL = {"a revoked key", "a missing scope"}


def test_the_bad_input_table_and_its_cases_name_the_same_inputs() -> None:
    assert {name for name, _, _ in BAD_INPUT} == CASES.keys() | SPECIAL


@pytest.mark.parametrize(
    ("name", "status", "code"), [row for row in BAD_INPUT if row[0] not in SPECIAL], ids=lambda value: value
)
def test_bad_input_is_refused_as_the_guide_says(call: Caller, name: str, status: str, code: str) -> None:
    assert_problem(CASES[name](call), int(status), code)


def test_a_revoked_key_and_a_missing_scope_are_refused_as_the_guide_says(caller_with: MakeCaller) -> None:
    said = {name: (int(status), code) for name, status, code in BAD_INPUT}
    caller = caller_with(Scope.MEMBERS_READ)
    assert_problem(caller(LIST), *said["a missing scope"])
    assert caller.row is not None
    caller.row.revoked = True
    caller.row.save()
    assert_problem(caller("GET /members/ada"), *said["a revoked key"])


@pytest.mark.parametrize("name", BODIES)
def test_the_guide_prints_each_body_key_by_key(name: str) -> None:
    expected = table_of(BODIES[name])
    assert expected in GUIDE, f"docs/api.md should hold:\n{expected}"


def test_every_problem_code_in_the_code_is_in_the_guide() -> None:
    apps = DOCS.parent / "apps"
    codes = {
        code
        for app in ("api", "members", "places", "interactions", "delivery")
        for path in (apps / app).rglob("*.py")
        for code in re.findall(r"""(?:code=|refuse\(\s*)"([a-z_]+)\"""", path.read_text())
    }
    assert codes
    assert {code for code in codes if f"`{code}`" not in GUIDE} == set()


def test_the_guide_shows_every_call_of_the_schema_with_curl() -> None:
    schema = yaml.safe_load((DOCS / "openapi.yaml").read_text())
    shown = {
        (method or ("POST" if " -d " in line else "GET"), re.sub(r"\?.*", "", path))
        for line in re.sub(r"\\\n", "", GUIDE).splitlines()
        if (found := re.match(r'curl (?:-X (\w+) )?"?\$API(/[^ "]+)', line))
        for method, path in [found.groups()]
    }
    for path, calls in schema["paths"].items():
        if path.startswith("/api/v1"):
            pattern = re.sub(r"\{\w+\}", "[^/]+", path.removeprefix("/api/v1"))
            for method in calls:
                assert any(verb == method.upper() and re.fullmatch(pattern, said) for verb, said in shown), (
                    f"{method} {path}"
                )
