"""The second step of signing in: a code of the authenticator, set up on the first login, with recovery codes
for the day the phone is lost."""

from __future__ import annotations

from base64 import b32encode

import segno
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django_otp import login as pass_second_step
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.common.audit import record
from apps.console.access.verified import authenticator_of, check_code, is_verified, problem_with

RECOVERY_CODES = 10


@never_cache
@csrf_protect
def second_step(request: HttpRequest) -> HttpResponse:
    """Asks for a code; of somebody who has no authenticator yet, sets one up."""
    user = request.user
    if not user.is_authenticated or not user.is_staff:
        return HttpResponseRedirect(reverse("admin:login"))
    if is_verified(user):
        return HttpResponseRedirect(_next(request))
    if authenticator_of(user) is None:
        return _set_up(request, user)
    problem = ""
    if request.method == "POST":
        device, problem = check_code(user, request.POST.get("code", ""))
        if device is not None:
            pass_second_step(request, device)
            return HttpResponseRedirect(_next(request))
    return _page(request, "second_step", problem=problem)


def reset_second_step(user: User, *, actor: User) -> None:
    """Takes authenticator and recovery codes away: the next login sets up new ones."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        record(actor, "second_step.reset", f"user {user.pk}", None, {"username": user.get_username()})


def _set_up(request: HttpRequest, user: User) -> HttpResponse:
    device = TOTPDevice.objects.filter(user=user).first()
    device = device or TOTPDevice.objects.create(user=user, name="Authenticator", confirmed=False)
    problem = ""
    if request.method == "POST":
        problem = problem_with(device, request.POST.get("code", "").replace(" ", ""))
        if not problem:
            codes = _confirm(user, device)
            pass_second_step(request, device)
            return _page(request, "recovery_codes", codes=codes)
    picture = segno.make(device.config_url, error="m").svg_data_uri(scale=5, border=2, light="#fff")
    secret = b32encode(device.bin_key).decode()
    words = " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
    return _page(request, "set_up", problem=problem, picture=picture, secret=words)


def _confirm(user: User, device: TOTPDevice) -> list[str]:
    """The recovery codes, which are shown this once."""
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        device.confirmed = True
        device.save()
        StaticDevice.objects.filter(user=user).delete()
        recovery = StaticDevice.objects.create(user=user, name="Recovery codes")
        StaticToken.objects.bulk_create(StaticToken(device=recovery, token=code) for code in codes)
        record(user, "second_step.set_up", f"user {user.pk}", None, None)
    return codes


def _next(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return reverse("admin:index")


def _page(request: HttpRequest, template: str, **context: object) -> HttpResponse:
    titles = {"set_up": "Set up two-factor login", "recovery_codes": "Recovery codes"}
    frame = admin.site.each_context(request) | {"title": titles.get(template, "Two-factor login")}
    return TemplateResponse(
        request, f"console/access/{template}.html", {**frame, "next": _next(request), **context}
    )
