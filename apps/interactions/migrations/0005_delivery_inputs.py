"""Deliveries name what they were made from, so that they can be replayed."""

from django.db import migrations, models

ADD = "ALTER TABLE interactions_delivery ADD COLUMN inputs jsonb NOT NULL DEFAULT '{}'"
DROP = "ALTER TABLE interactions_delivery DROP COLUMN inputs"


class Migration(migrations.Migration):
    dependencies = [("interactions", "0004_lists_of_millions")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(ADD, DROP)],
            state_operations=[
                migrations.AddField("delivery", "inputs", models.JSONField(default=dict)),
            ],
        ),
    ]
