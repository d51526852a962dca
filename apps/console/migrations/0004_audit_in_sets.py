"""The audit of large sets takes a second, not minutes, and leaves version numbers out.

A function's plan is kept with the sizes of its first call. That of a table may be of no rows (an INSERT that met no
conflict calls its update trigger, too), and then every old row was compared with every new one.
"""

from django.db import migrations

from apps.common.audit import not_watching, watching

SETS = "ALTER FUNCTION audit_rows() SET enable_nestloop = off"
ROWS = "ALTER FUNCTION audit_rows() RESET enable_nestloop"
NAMES = {
    "members_member": ("member", "number", ("updated_at", "last_active_at")),
    "members_connection": ("connection", "id", ("updated_at",)),
}


def watched_anew(*more: str) -> str:
    """What changes with every write, told of nobody, is no news."""
    return "".join(
        not_watching(table) + watching(table, label, key=key, values=False, uncounted=(*uncounted, *more))
        for table, (label, key, uncounted) in NAMES.items()
    )


class Migration(migrations.Migration):
    dependencies = [
        ("console", "0003_audited_staff_changes"),
        ("members", "0006_connection_versions"),
    ]
    operations = [
        migrations.RunSQL(SETS, ROWS),
        migrations.RunSQL(watched_anew("version"), watched_anew()),
    ]
