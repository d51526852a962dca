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
from apps.interactions.services import erase_member
from apps.members.models import Member
from tests.interactions.world import london, place

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


SECRET = {**ADA, "bio": "a secret"}


def erase_over_the_api(call):
    assert call("DELETE /members/ada").status_code == 204


def erase_with_a_key(call):
    assert call("DELETE /members/ada", **{"Idempotency-Key": "a9"}).status_code == 204


def erase_elsewhere(call):
    erase_member("ada")


@pytest.mark.parametrize("erase", [erase_over_the_api, erase_with_a_key, erase_elsewhere])
def test_with_a_member_goes_what_calls_about_them_were_answered(call, erase):
    call("PUT /members/ada", SECRET, **KEY)
    call("PUT /members/ada/trips", {"trips": []}, **{"Idempotency-Key": "a2"})
    call("PUT /members/adam", ADA, **{"Idempotency-Key": "a3"})
    call("PUT /connections/adam/ada", {"kind": "contact"}, **{"Idempotency-Key": "a4"})
    assert len(KeptAnswer.objects.exclude(path="")) == 4
    erase(call)
    assert [row.path for row in KeptAnswer.objects.exclude(path="")] == ["/api/v1/members/adam"]
    assert not any(b"secret" in bytes(row.body) for row in KeptAnswer.objects.all())


def test_a_late_copy_of_a_call_does_not_bring_back_whoever_was_erased(call):
    call("PUT /members/ada", SECRET, **KEY)
    call("DELETE /members/ada")
    for _ in range(2):
        late = call("PUT /members/ada", SECRET, **KEY)
        assert (late.status_code, late.json()["code"], late["Idempotency-Replayed"]) == (
            404,
            "erased",
            "true",
        )
    assert call("PUT /members/ada", ADA, **KEY).json()["code"] == "idempotency_key_reused"
    assert not Member.objects.exists()
    assert call("PUT /members/ada", ADA, **{"Idempotency-Key": "a2"}).status_code == 201


def test_a_call_that_runs_while_its_member_is_erased_keeps_no_answer(call, monkeypatch):
    from apps.members import services

    put = services.put_member

    def erased_after(*args):
        made = put(*args)
        erase_member("ada")
        return made

    call("PUT /members/ada", ADA)
    monkeypatch.setattr(services, "put_member", erased_after)
    call("PUT /members/ada", SECRET, **KEY)
    assert [(row.status, bytes(row.body)) for row in KeptAnswer.objects.all()] == [(404, b"")]


def test_a_repeated_erasure_is_answered_as_the_first_one(call):
    call("PUT /members/ada", ADA)
    for replayed in (None, "true"):
        answer = call("DELETE /members/ada", **KEY)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.get("Idempotency-Replayed") == replayed


def test_with_a_place_goes_what_calls_about_it_were_answered(call):
    london()
    assert call("PUT /places/bar", place(), **KEY).status_code == 201
    assert call("DELETE /places/bar").status_code == 204
    assert not any(row.body for row in KeptAnswer.objects.all())
    assert call("PUT /places/bar", place(), **KEY).json()["code"] == "erased"


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
