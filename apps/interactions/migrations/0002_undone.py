"""Undos may arrive before what they take back: a table of their own. An index finds a pair's events."""

from django.db import migrations, models

PAIR_INDEX = """
CREATE INDEX interactions_event_pair ON interactions_event (actor, target) WHERE type IN
    ('like', 'pass', 'match', 'unmatch', 'save', 'block', 'unblock', 'report')
"""


class Migration(migrations.Migration):
    dependencies = [("interactions", "0001_initial")]

    operations = [
        migrations.RemoveField(model_name="eventkey", name="undone_by"),
        migrations.CreateModel(
            name="Undone",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("event", models.UUIDField()),
                ("actor", models.IntegerField()),
                ("undone_by", models.UUIDField()),
                ("occurred_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("event", "actor"), name="undone_once")],
            },
        ),
        migrations.RunSQL(PAIR_INDEX, "DROP INDEX interactions_event_pair"),
    ]
