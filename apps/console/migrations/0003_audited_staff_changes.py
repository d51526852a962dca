from django.db import migrations

from apps.common.audit import not_watching, watching

TABLE = "releases_staffchange"


class Migration(migrations.Migration):
    """Who gave rights to whom, and who confirmed it, stands in the audit trail."""

    dependencies = [("console", "0002_audited_ends"), ("releases", "0008_staff_changes")]
    operations = [migrations.RunSQL(watching(TABLE, "change of staff", key="id"), not_watching(TABLE))]
