"""A measured reach also names what would meet nobody."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("releases", "0005_surface_limits")]

    operations = [migrations.AddField("reach", "empty", models.JSONField(default=list))]
