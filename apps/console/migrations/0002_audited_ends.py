from django.db import migrations

from apps.common.audit import not_watching, watching

TABLE = "releases_releaseend"


class Migration(migrations.Migration):
    """Every change of when a release ends stands in the audit trail."""

    dependencies = [("console", "0001_audit_triggers"), ("releases", "0007_release_ends")]
    operations = [
        migrations.RunSQL(watching(TABLE, "end of release", key="release_id"), not_watching(TABLE))
    ]
