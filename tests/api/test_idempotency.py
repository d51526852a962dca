"""Idempotency-Key: the first answer again, byte for byte; nothing is done twice."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.db.models import F

from apps.api import idempotency
from apps.api.models import KeptAnswer
from apps.common.clock import now
from apps.common.models import Change
from apps.members.models import Member

pytestmark = pytest.mark.django_db
KEY = {"Idempotency-Key": "a1"}
ADA = {"display_name": "Ada", "birth_date": "1990-04-02"}


def saves() -> int:
    return Change.objects.filter(kind="member.saved").count()


def test_a_repeated_call_is_answered_byte_for_byte_and_not_done_again(call):
    first = call("PUT /members/ada", ADA, **KEY)
    again = call("PUT /members/ada", ADA, **KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Content-Type"] == first["Content-Type"]
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert saves() == 1


def test_without_the_header_the_call_is_done_again(call):
    call("PUT /members/ada", ADA)
    assert call("PUT /members/ada", ADA).status_code == 200
    assert saves() == 2


@pytest.mark.parametrize("other", [("PUT /members/ada", {**ADA, "bio": "x"}), ("PUT /members/eve", ADA)])
def test_the_same_key_with_another_call_is_refused_and_does_nothing(call, other):
    call("PUT /members/ada", ADA, **KEY)
    refused = call(*other, **KEY)
    assert refused.status_code == 422
    assert refused.json()["code"] == "idempotency_key_reused"
    assert saves() == 1


def test_another_service_key_may_use_the_same_word(call, caller_with):
    call("PUT /members/ada", ADA, **KEY)
    assert caller_with("members:write")("PUT /members/ada", ADA, **KEY).status_code == 200


def test_a_refused_body_is_kept_too(call):
    bad = {"display_name": 7}
    first, again = (call("PUT /members/ada", bad, **KEY) for _ in range(2))
    assert first.status_code == 422 or first.status_code == 400
    assert again.content == first.content
    assert again["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256])
def test_a_key_that_is_none_is_a_clear_400(call, key):
    answer = call("PUT /members/ada", ADA, **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert not Member.objects.exists()


def test_while_the_first_call_runs_the_second_is_told_to_wait(call, monkeypatch):
    from apps.members import services

    put, seen = services.put_member, []

    def slow(*args):
        seen.append(call("PUT /members/ada", ADA, **KEY))
        return put(*args)

    monkeypatch.setattr(services, "put_member", slow)
    assert call("PUT /members/ada", ADA, **KEY).status_code == 201
    assert (seen[0].status_code, seen[0].json()["code"], seen[0]["Retry-After"]) == (409, "in_flight", "1")
    assert saves() == 1


def test_a_call_that_failed_frees_its_key(call, monkeypatch):
    from apps.members import services

    with monkeypatch.context() as patch:
        patch.setattr(services, "put_member", lambda *_: 1 / 0)
        assert call("PUT /members/ada", ADA, **KEY).status_code == 500
    assert call("PUT /members/ada", ADA, **KEY).status_code == 201


def later(**gone_by):
    """As if so much time had gone by for Postgres."""
    KeptAnswer.objects.update(started_at=F("started_at") - timedelta(**gone_by))


def test_a_key_whose_process_died_is_taken_over_after_a_minute(call):
    call("PUT /members/ada", ADA, **KEY)
    KeptAnswer.objects.update(status=None)
    later(seconds=58)
    assert call("PUT /members/ada", ADA, **KEY).status_code == 409
    later(seconds=3)
    assert call("PUT /members/ada", ADA, **KEY).status_code == 200


@pytest.mark.parametrize("hours", [-100, 100])
def test_a_process_whose_clock_is_off_takes_over_no_call_in_flight_and_no_answer(call, monkeypatch, hours):
    from apps.members import services

    put, seen = services.put_member, []

    def slow(*args):
        with time_machine.travel(now() + timedelta(hours=hours)):
            seen.append(call("PUT /members/ada", ADA, **KEY).status_code)
            assert idempotency.drop_old_answers() == 0
        return put(*args)

    with monkeypatch.context() as patch:
        patch.setattr(services, "put_member", slow)
        first = call("PUT /members/ada", ADA, **KEY)
    with time_machine.travel(now() + timedelta(hours=hours)):
        again = call("PUT /members/ada", ADA, **KEY)
    assert seen == [409]
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert saves() == 1


def test_after_72_hours_a_key_is_new(call):
    call("PUT /members/ada", ADA, **KEY)
    later(hours=73)
    assert call("PUT /members/eve", ADA, **KEY).status_code == 201
    assert idempotency.drop_old_answers() == 0
    later(hours=73)
    assert idempotency.drop_old_answers() == 1


def test_erasing_a_member_erases_what_calls_about_them_were_answered(call):
    call("PUT /members/ada", ADA, **KEY)
    call("PUT /members/adam", ADA, **{"Idempotency-Key": "a2"})
    assert call("DELETE /members/ada", **{"Idempotency-Key": "a3"}).status_code == 204
    assert sorted(KeptAnswer.objects.values_list("key", "path")) == [
        ("a2", "/api/v1/members/adam"),
        ("a3", ""),
    ]
    again = call("DELETE /members/ada", **{"Idempotency-Key": "a3"})
    assert (again.status_code, again.content, again["Idempotency-Replayed"]) == (204, b"", "true")


@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_does_the_work(call):
    answers: list[int] = []
    start = threading.Barrier(20)

    def send() -> None:
        start.wait()
        try:
            answers.append(call("PUT /members/ada", ADA, **KEY).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(20)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert set(answers) <= {201, 409}
    assert 201 in answers
    assert saves() == 1
