"""When a place is open: from a day on, in some months; and in which months it is at its best."""

import django.contrib.postgres.fields
from django.db import migrations, models

MONTHS = list(range(1, 13))


def months() -> models.Field:
    return django.contrib.postgres.fields.ArrayField(
        models.PositiveSmallIntegerField(), blank=True, default=list, db_default=[]
    )


class Migration(migrations.Migration):
    dependencies = [("places", "0005_versions")]

    operations = [
        migrations.AddField("place", "opens_on", models.DateField(blank=True, null=True)),
        migrations.AddField("place", "open_months", months()),
        migrations.AddField("place", "best_months", months()),
        *[
            migrations.AddConstraint(
                "place",
                models.CheckConstraint(
                    condition=models.Q((f"{name}_months__contained_by", MONTHS)), name=f"place_{name}_months"
                ),
            )
            for name in ("open", "best")
        ],
    ]
