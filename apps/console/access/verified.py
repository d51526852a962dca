"""Whether somebody passed both steps, in this session; and once more, a moment ago."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

CONFIRMED = "confirmed_at"
WRONG = "This code is not right. Codes change every 30 seconds, and each counts once."


def is_verified(user: User | AnonymousUser) -> bool:
    """Whether nothing more is asked of them. Without two-factor login a password is enough."""
    return not settings.TWO_FACTOR or bool(user.is_verified())  # type: ignore[union-attr]


def authenticator_of(user: User) -> TOTPDevice | None:
    return TOTPDevice.objects.filter(user=user, confirmed=True).first()


def check_code(user: User, code: str) -> tuple[TOTPDevice | StaticDevice | None, str]:
    """The device that knows this code, or none and why: six digits are the authenticator's, all else is a
    recovery code, good for once."""
    code = code.replace(" ", "").lower()
    kind = TOTPDevice if code.isdecimal() and len(code) == 6 else StaticDevice
    device = kind.objects.filter(user=user, confirmed=True).first()
    if device is None:
        return None, WRONG
    problem = problem_with(device, code)
    return (None, problem) if problem else (device, "")


def problem_with(device: TOTPDevice | StaticDevice, code: str) -> str:
    """Empty when the device knows this code. Wrong codes are slowed down, longer each time."""
    allowed, why = device.verify_is_allowed()
    if allowed:
        return "" if device.verify_token(code) else WRONG
    until = (why or {}).get("locked_until")
    seconds = max(1, round((until - timezone.now()).total_seconds())) if until else 1
    return f"Too many wrong codes. Try again in {seconds} s."


def is_fresh(request: HttpRequest) -> bool:
    """Whether they said who they are within the last minutes (CONFIRMED_SECONDS)."""
    return bool(time.time() - request.session.get(CONFIRMED, 0) < settings.CONFIRMED_SECONDS)


def set_fresh(request: HttpRequest) -> None:
    request.session[CONFIRMED] = time.time()


def signed_in(request: HttpRequest, **_: Any) -> None:
    if hasattr(request, "session"):
        set_fresh(request)
