"""Service keys: made with scopes, the secret shown once, revoked for good."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from rest_framework_api_key.models import APIKey
from unfold.decorators import display

from apps.api.models import CallerClass, Scope, ServiceKey
from apps.common.models import AuditEntry
from apps.common.staff import Button, Heading, InspectAdmin, Section

if admin.site.is_registered(APIKey):
    admin.site.unregister(APIKey)  # the package's own keys are not used here


class KeyForm(forms.Form):
    """A name and what the key may do."""

    name = forms.CharField(max_length=50, help_text="Who uses it, e.g. the app's back end.")
    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=forms.CheckboxSelectMultiple)
    caller_class = forms.ChoiceField(
        choices=CallerClass.choices, initial=CallerClass.INTERACTIVE, required=False
    )


@admin.register(ServiceKey)
class ServiceKeyAdmin(InspectAdmin):
    list_display = ("name", "prefix", "may", "state", "created")
    list_display_links = ("name",)
    search_fields = ("name__startswith", "prefix__exact")
    search_help_text = "Start of a name, or a prefix"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("api.add_servicekey")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = KeyForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._made(request, **form.cleaned_data)
        return self._page(request, "key_add", form=form)

    def _made(self, request: HttpRequest, name: str, scopes: list[str], caller_class: str) -> HttpResponse:
        from apps.api.services import create_service_key

        said: dict[str, Any] = {
            "name": name,
            "scopes": scopes,
            "caller_class": caller_class or CallerClass.INTERACTIVE.value,
        }
        key, secret = create_service_key(**said)
        _record(request, "service_key.created", key, None, said)
        response = self._page(request, "key_made", key=key, secret=secret)
        response["Cache-Control"] = "no-store"
        return response

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        both = {
            **self.admin_site.each_context(request),
            "title": "Service keys",
            "opts": self.opts,
            **context,
        }
        return TemplateResponse(request, f"console/{template}.html", both)

    @display(description="May")
    def may(self, obj: ServiceKey) -> str:
        return ", ".join(obj.scopes)

    @display(description="State", label={"live": "success", "revoked": "danger"})
    def state(self, obj: ServiceKey) -> tuple[str, str]:
        return ("revoked", "Revoked") if obj.revoked else ("live", "Live")

    def heading(self, request: HttpRequest, obj: ServiceKey) -> Heading:
        mark = ("Revoked", "bad") if obj.revoked else ("Live", "good")
        return Heading(obj.name, f"{obj.prefix}.…", marks=[mark])

    def buttons(self, request: HttpRequest, obj: ServiceKey) -> list[Button]:
        if obj.revoked or not request.user.has_perm("api.change_servicekey"):
            return []
        consequence = "Whoever uses this key is refused within a second. A revoked key never works again."
        return [Button("revoke", "Revoke", consequence, danger=True)]

    def press(self, request: HttpRequest, obj: ServiceKey, name: str) -> str:
        obj.revoked = True
        obj.save(update_fields=["revoked"])
        _record(request, "service_key.revoked", obj, {"revoked": False}, {"revoked": True})
        return f"The key {obj.prefix} was revoked."

    def sections(self, request: HttpRequest, obj: ServiceKey) -> list[Section]:
        facts = [
            ("Made", obj.created),
            ("Expires", obj.expiry_date),
            ("Prefix", obj.prefix),
            ("Calls", CallerClass(obj.caller_class).label),
        ]
        scopes = [(value, Scope(value).label.partition(": ")[2].capitalize()) for value in obj.scopes]
        return [
            Section("Key", facts, note="The secret was shown once, when the key was made. It is not stored."),
            Section("Scopes", scopes),
        ]


def _record(request: HttpRequest, action: str, key: ServiceKey, before: Any, after: Any) -> None:
    AuditEntry.objects.create(
        actor=cast(User, request.user),
        actor_name=request.user.get_username(),
        action=action,
        subject=f"service key {key.prefix}",
        before=before,
        after=after,
    )
