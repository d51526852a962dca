"""Requests drawn from the schema, valid and not: no 5xx, and no answer that the schema does not print."""

from __future__ import annotations

import os
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from apps.api import throttling
from apps.api.models import Scope
from apps.api.services import create_service_key
from apps.surfaces.models import Market

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "15"))
ALWAYS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
]
# A list's bad rows are rejected one by one, beside good ones, with 200.
BY_ROW = ("/bulk", "/events", "/events/backfill")

schema = schemathesis.openapi.from_wsgi("/api/schema/", get_wsgi_application())
# Health answers 503 by design: no snapshot is loaded here.
schema = schema.exclude(path_regex="^/health/")
pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def key() -> str:
    throttling._buckets.clear()
    Market.objects.create(key="london", name="London", latitude=51.5074, longitude=-0.1278)
    return create_service_key("fuzz", Scope.values)[1]


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_no_request_finds_an_answer_that_the_schema_does_not_print(case: Any, key: str) -> None:
    more = [] if case.path.endswith(BY_ROW) else [checks.negative_data_rejection]
    case.call_and_validate(headers={"Authorization": f"Api-Key {key}"}, checks=[*ALWAYS, *more])
