"""What is stored of a content is what was checked: its digest names it before and after Postgres had it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.policies.schema import default_content, validate_content
from apps.releases.params import digest_of
from tests.policies.examples import flag, rule

NUMBERS = st.floats(-1, 1) | st.integers(-1, 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)


def stored(content: dict[str, Any]) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT (%s::jsonb)::text", [json.dumps(content)])
        return json.loads(cursor.fetchone()[0])


@pytest.mark.django_db
@settings(max_examples=150, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS, TEXTS)
@example(-0.0, 0.1, 0.1, "a")
@example(0.1, -0.0, 0.1, "a")
@example(0.1, 0.1, -0.0, "a")
def test_a_content_has_the_same_digest_when_it_is_read_again(weight, asked, value, name):
    content = default_content()
    content["surfaces"]["dating"]["weights"]["affinity"] = weight
    least = {"attribute": "likes_received", "operator": "at_least", "value": asked * 1e9}
    content["surfaces"]["dating"]["rules"] = [rule(viewers=least, name=name.strip() or "a")]
    content["flags"] = [flag(type="number", on=value * 1e12, off=0)]
    checked = validate_content(content)
    assert stored(checked) == checked
    assert digest_of(stored(checked)) == digest_of(checked)
    assert digest_of(validate_content(stored(checked))) == digest_of(checked)
