"""Admin pages that need more than one app (deliveries), and the packages' own models in the admin's look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import DateTimeField, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_celery_beat import models as beat
from django_celery_beat.admin import ClockedScheduleAdmin as StockClockedAdmin
from django_celery_beat.admin import CrontabScheduleAdmin as StockCrontabAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as StockPeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm as StockPeriodicTaskForm
from django_celery_beat.admin import TaskSelectWidget
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin, StackedInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.common.local_time import written, zone_name
from apps.common.staff import Button, Grid, Heading, InspectAdmin, LargeInspectAdmin, Section, acting_user
from apps.console.curated_lists import CuratedListAdmin
from apps.console.inspect.delivery_page import delivery_sections
from apps.console.inspect.why_not import PRIVATE
from apps.console.places import PlaceAdmin
from apps.interactions.admin import as_uuid, id_of_member, link_to, names_of, number_of
from apps.interactions.models import Delivery
from apps.places.models import CuratedList, Place
from apps.releases.models import SurfaceLimit
from apps.releases.rights import surfaces_of
from apps.releases.staffing import note_change
from apps.surfaces.selectors import active_surfaces

admin.site.register(CuratedList, CuratedListAdmin)
admin.site.register(Place, PlaceAdmin)


@admin.register(Delivery)
class DeliveryAdmin(LargeInspectAdmin):
    keyset = ("-served_at", "-id")
    list_display = ("when", "viewer_name", "surface", "shown", "release_link", "remarks")
    list_display_links = ("when",)
    list_filter = ("surface",)
    search_fields = ("id",)
    search_help_text = "A delivery's id, or a viewer's id"

    def get_list_filter(self, request: HttpRequest) -> Any:
        return ("random_order",)

    def find(self, queryset: QuerySet[Delivery], term: str) -> QuerySet[Delivery]:
        wanted = Q(pk__in=[])
        if (delivery := as_uuid(term)) is not None:
            wanted |= Q(id=delivery)
        if (number := number_of(term)) is not None:
            wanted |= Q(viewer=number)
        return queryset.filter(wanted)

    def gathers(self, term: str) -> str | None:
        return None if number_of(term) is None else term

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).defer("viewer_state", "features")

    def attach(self, rows: list[Any]) -> None:
        names = names_of([("member", row.viewer) for row in rows])
        for row in rows:
            row.names = names

    @display(description="When")
    def when(self, obj: Delivery) -> str:
        return written(obj.served_at, with_seconds=True)

    @display(description="Viewer")
    def viewer_name(self, obj: Any) -> SafeString | str:
        return link_to(obj.names, "member", obj.viewer)

    @display(description="Shown of asked")
    def shown(self, obj: Delivery) -> str:
        return f"{len(obj.candidates)} of {obj.requested}"

    @display(description="Release")
    def release_link(self, obj: Delivery) -> SafeString:
        return format_html(
            '<a class="rc-link" href="{}">{}</a>', reverse("admin:release", args=[obj.release]), obj.release
        )

    @display(description="Remarks", label={"Random order": "info", "Empty": "danger"})
    def remarks(self, obj: Delivery) -> str:
        if not obj.candidates:
            return "Empty"
        return "Random order" if obj.random_order else ", ".join(obj.degraded)

    def heading(self, request: HttpRequest, obj: Delivery) -> Heading:
        marks = [("random order", "info")] if obj.random_order else []
        marks += [(reason, "bad") for reason in obj.degraded]
        at = written(obj.served_at, with_seconds=True)
        return Heading(f"{obj.surface.capitalize()}, {at}", str(obj.id), marks=marks)

    def looks_at(self, request: HttpRequest, obj: Delivery) -> str:
        return id_of_member(obj.viewer)

    def buttons(self, request: HttpRequest, obj: Delivery) -> list[Button]:
        return [Button("replay", "Replay", href=reverse("admin:delivery_replay", args=[obj.pk]))]

    def sections(self, request: HttpRequest, obj: Delivery) -> list[Section]:
        return delivery_sections(obj, private=request.user.has_perm(PRIVATE))


for model in (
    User,
    Group,
    beat.PeriodicTask,
    beat.IntervalSchedule,
    beat.CrontabSchedule,
    beat.ClockedSchedule,
    beat.SolarSchedule,
    TOTPDevice,  # their pages would show the secrets
    StaticDevice,
):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class SurfaceLimitForm(forms.ModelForm):
    """The surfaces that exist, to tick."""

    surfaces = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        help_text="May change these surfaces' parts of a draft alone. Delete this limit to allow all.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["surfaces"].choices = [(key, one.name) for key, one in active_surfaces().items()]  # type: ignore[attr-defined]


class SurfaceLimitInline(StackedInline):
    model = SurfaceLimit
    form = SurfaceLimitForm
    extra = 0
    verbose_name_plural = "limited to some surfaces"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("auth.change_user"))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        own = obj is not None and obj.pk == request.user.pk and not request.user.is_superuser
        return self.has_view_permission(request, obj) and not own

    has_change_permission = has_delete_permission = has_add_permission


@dataclass(frozen=True)
class Rights:
    """What somebody may do, as far as people give it."""

    roles: frozenset[str]
    surfaces: frozenset[str] | None  # None: all
    may_enter: bool


NO_RIGHTS = Rights(frozenset(), None, may_enter=False)


def _rights(user: User) -> Rights:
    roles = frozenset(user.groups.values_list("name", flat=True))
    return Rights(roles, surfaces_of(user), user.is_active and user.is_staff)


def _gained(before: Rights, after: Rights) -> str:
    """What a change gave somebody, as in "Ann ... of Ben"; "": nothing."""
    said = []
    if new := sorted(after.roles - before.roles):
        said.append(f"gave the role {', '.join(new)} to the account")
    if before.surfaces is not None and (after.surfaces is None or after.surfaces - before.surfaces):
        said.append("widened the surfaces")
    if after.may_enter and not before.may_enter and after.roles:
        said.append("opened the account")
    return " and ".join(said)


@admin.register(User)
class UserAdmin(StockUserAdmin, ModelAdmin):
    """Staff. Nobody changes their own roles or limit, and only a superuser makes superusers."""

    form = UserChangeForm
    add_form = UserCreationForm
    inlines = (SurfaceLimitInline,)
    actions = ("reset_second_step",)
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "roles", "is_active", "last_login")
    list_filter = ("groups", "is_active")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Times", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return self.inlines if obj is not None else ()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if request.user.is_superuser:
            return self.readonly_fields
        own = ("groups", "is_active", "is_staff") if obj is not None and obj.pk == request.user.pk else ()
        return (*self.readonly_fields, "is_superuser", *own)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = bool(super().has_change_permission(request, obj))
        above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return may and not above

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        form.before = _rights(User.objects.get(pk=obj.pk)) if change else NO_RIGHTS
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if gained := _gained(form.before, _rights(form.instance)):
            note_change(form.instance, gained, by=acting_user(request))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        before = User.objects.filter(pk=id).first() if id.isdecimal() else None
        with transaction.atomic():
            answer = super().user_change_password(request, id, form_url)
            after = User.objects.filter(pk=before.pk).first() if before is not None else None
            if before and after and before.password != after.password and after.pk != request.user.pk:
                note_change(after, "set the password", by=acting_user(request))
        return answer

    @action(description="Reset two-factor login", permissions=["change"])
    def reset_second_step(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        from apps.console.access.second_step import reset_second_step

        for user in queryset:
            if not self.has_change_permission(request, user):
                messages.error(request, f"You may not change {user}.")
                continue
            reset_second_step(user, actor=acting_user(request))
            note_change(user, "reset the two-factor login", by=acting_user(request))
            messages.success(request, f"{user} sets up two-factor login anew at the next login.")

    @display(description="Roles")
    def roles(self, obj: User) -> str:
        return ", ".join(group.name for group in obj.groups.all()) or (
            "Superuser" if obj.is_superuser else "–"
        )


@admin.register(Group)
class GroupAdmin(InspectAdmin):
    """What a role may do is written in the code (roles.py); here it is read."""

    list_display = ("name",)

    def sections(self, request: HttpRequest, obj: Group) -> list[Section]:
        people = [(user.get_username(), user.is_active) for user in obj.user_set.order_by("username")]
        rights = obj.permissions.select_related("content_type").order_by(
            "content_type__app_label", "codename"
        )
        said = [(right.content_type.name, right.name) for right in rights]
        return [
            Section("Who has this role", grid=Grid(("Name", "May sign in"), people, "Nobody has it.")),
            Section("What it may do", grid=Grid(("On", "Right"), said, "Nothing.")),
        ]


class InReadersZone:
    """Says beside each time field in which zone it is read."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None and isinstance(db_field, DateTimeField):
            field.help_text = f"{field.help_text} In {zone_name()}.".strip()
        return field


class TaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):
    """The list of registered tasks, in the admin's look."""


class PeriodicTaskForm(StockPeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelect()


@admin.register(beat.PeriodicTask)
class PeriodicTaskAdmin(InReadersZone, StockPeriodicTaskAdmin, ModelAdmin):
    form = PeriodicTaskForm
    change_form_template = None  # the stock one puts a crontab into words by a script that the policy refuses
    readonly_fields = ("last_run_at",)
    fieldsets = (
        (None, {"fields": ("name", "regtask", "task", "enabled", "description")}),
        ("When", {"fields": ("interval", "crontab", "clocked", "start_time", "last_run_at", "one_off")}),
        ("With", {"fields": ("args", "kwargs")}),
        ("How", {"fields": ("expires", "expire_seconds", "queue", "priority")}),
    )
    list_display = ("name", "enabled", "interval", "crontab", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    list_select_related = ("interval", "crontab", "clocked", "solar")
    date_hierarchy = None
    actions = None


@admin.register(beat.IntervalSchedule)
class IntervalAdmin(ModelAdmin):
    list_display = ("every", "period")


@admin.register(beat.CrontabSchedule)
class CrontabAdmin(StockCrontabAdmin, ModelAdmin):
    pass


@admin.register(beat.ClockedSchedule)
class ClockedAdmin(InReadersZone, StockClockedAdmin, ModelAdmin):
    pass


@admin.register(beat.SolarSchedule)
class SolarAdmin(ModelAdmin):
    pass
