from django.db import migrations

from apps.common.audit import not_watching, watching

LAST_RUN = ("last_run_at", "total_run_count", "date_changed")
WATCHED = [
    # Of members the fields that changed, never what they say.
    ("members_member", watching("members_member", "member", key="number", values=False,
                                uncounted=("updated_at", "last_active_at"))),
    ("members_trip", watching("members_trip", "trips of member", key="member_id", values=False)),
    ("members_connection", watching("members_connection", "connection", values=False)),
    ("places_place", watching("places_place", "place", key="number")),
    ("places_curatedlist", watching("places_curatedlist", "curated list")),
    ("places_curatedlistitem", watching("places_curatedlistitem", "place of curated list")),
    ("surfaces_surface", watching("surfaces_surface", "surface", key="key")),
    ("surfaces_market", watching("surfaces_market", "market", key="key")),
    ("api_servicekey", watching("api_servicekey", "service key", key="prefix", secret=("hashed_key",))),
    # What a draft says is long, and stands line by line in the act beside it.
    ("releases_revision", watching("releases_revision", "draft", values=False)),
    ("releases_approval", watching("releases_approval", "approval")),
    ("releases_liverelease", watching("releases_liverelease", "live release")),
    ("releases_switch", watching("releases_switch", "switch")),
    ("releases_emergency", watching("releases_emergency", "emergency")),
    ("releases_surfacelimit", watching("releases_surfacelimit", "surfaces of user", key="user_id")),
    ("auth_user", watching("auth_user", "user", uncounted=("last_login",), secret=("password",))),
    ("auth_user_groups", watching("auth_user_groups", "role of user", key="user_id")),
    ("auth_user_user_permissions", watching("auth_user_user_permissions", "right of user", key="user_id")),
    ("auth_group", watching("auth_group", "role")),
    ("auth_group_permissions", watching("auth_group_permissions", "right of role", key="group_id")),
    ("otp_totp_totpdevice", watching("otp_totp_totpdevice", "authenticator of user", key="user_id", values=False,
        uncounted=("last_t", "drift", "throttling_failure_count", "throttling_failure_timestamp", "last_used_at"))),
    ("otp_static_staticdevice", watching("otp_static_staticdevice", "recovery codes of user", key="user_id", values=False,
        uncounted=("throttling_failure_count", "throttling_failure_timestamp", "last_used_at"))),
    ("django_celery_beat_periodictask", watching("django_celery_beat_periodictask", "scheduled task", key="name",
                                                 uncounted=LAST_RUN)),
    ("django_celery_beat_intervalschedule", watching("django_celery_beat_intervalschedule", "interval")),
    ("django_celery_beat_crontabschedule", watching("django_celery_beat_crontabschedule", "crontab")),
]  # fmt: skip


class Migration(migrations.Migration):
    """Every change of these rows, by whatever path, stands in the audit trail."""

    dependencies = [
        ("common", "0002_audited_rows"),
        ("members", "0002_staff_permissions"),
        ("places", "0002_staff_permissions"),
        ("surfaces", "0001_initial"),
        ("api", "0003_kept_answers"),
        ("releases", "0005_surface_limits"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("otp_totp", "0003_add_timestamps"),
        ("otp_static", "0003_add_timestamps"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunSQL(watching, not_watching(table)) for table, watching in WATCHED]
