"""A log line: JSON with ids, and nothing that an exception quotes."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import IntegrityError

from apps.common.logs import JsonFormatter, speak_of_call

SECRET = "Zephyrine lives at 12 Canary Row"


def line(message: str, *values: Any, error: BaseException | None = None, **extra: Any) -> dict[str, Any]:
    exc_info = (type(error), error, error.__traceback__) if error is not None else None
    arguments: Any = values[0] if len(values) == 1 and isinstance(values[0], dict) else values
    record = logging.LogRecord("apps.test", logging.ERROR, "x.py", 1, message, arguments, exc_info)
    record.__dict__.update(extra)
    told: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return told


def raised() -> IntegrityError:
    try:
        try:
            raise psycopg.errors.CheckViolation(f"Failing row contains ({SECRET})")
        except psycopg.Error as cause:
            raise IntegrityError(f"Failing row contains ({SECRET})") from cause
    except IntegrityError as error:
        return error


def test_an_exception_is_named_and_located_but_not_quoted() -> None:
    told = line("unforeseen", error=raised())
    assert told["error"] == "IntegrityError from CheckViolation 23514"
    assert told["where"][-1].endswith(" raised")
    assert SECRET not in json.dumps(told)


@pytest.mark.parametrize("how", ["%s", "%r"])
def test_an_exception_among_the_values_is_named_only(how: str) -> None:
    told = line(f"{how} came", ValueError(SECRET))
    assert told["message"] == "ValueError came"


def test_what_celery_tells_of_arguments_and_results_is_left_out() -> None:
    said = {"name": "refresh", "id": "7", "exc": SECRET, "traceback": SECRET, "return_value": SECRET}
    told = line("%(name)s[%(id)s] raised %(exc)s\n%(traceback)s %(return_value)s", said)
    assert told["message"] == "refresh[7] raised ...\n... ..."


def test_a_line_names_the_call_and_the_callers_id_when_it_is_one() -> None:
    request = uuid4()
    speak_of_call("recommendations", {"HTTP_X_REQUEST_ID": str(request)})
    told = line("said", delivery="d", release=3, secret=SECRET)
    assert (told["call"], told["request"]) == ("recommendations", str(request))
    assert (told["delivery"], told["release"]) == ("d", 3)
    assert SECRET not in json.dumps(told)
    speak_of_call("events", {"HTTP_X_REQUEST_ID": SECRET})
    assert "request" not in line("said")


def test_a_message_that_does_not_fit_its_values_is_still_a_line() -> None:
    assert line("%d of %d", 1)["message"] == "%d of %d"


def test_production_logs_json_whatever_the_environment_says() -> None:
    import subprocess

    code = "from django.conf import settings; print(settings.LOGGING['handlers']['console']['formatter'])"
    env = {
        "DJANGO_SETTINGS_MODULE": "raya_recs.settings.production",
        "SECRET_KEY": "x" * 60,
        "LOG_FORMAT": "line",
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "json", done.stderr
