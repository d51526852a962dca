"""Decisive events apart from the others, versions of relationships, and what is still to be told.

The versions start above any time in seconds, which is what records in Valkey carried in their place.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models.functions import Now

VERSION = "CREATE SEQUENCE interactions_version START 10000000000"
NUMBERED = "UPDATE interactions_relationship SET version = nextval('interactions_version')"
FACTS = """
INSERT INTO interactions_keptfact (id, type, actor, a, b, kind, surface, occurred_at)
SELECT id, type, actor, CASE target_kind WHEN 'place' THEN actor ELSE least(actor, target) END,
    CASE target_kind WHEN 'place' THEN target ELSE greatest(actor, target) END, target_kind,
    CASE WHEN type IN ('block', 'unblock', 'report') THEN '' ELSE surface END, occurred_at
FROM interactions_event
WHERE type IN ('like', 'pass', 'match', 'unmatch', 'save', 'block', 'unblock', 'report')
"""
PAIR_INDEX = """
CREATE INDEX interactions_event_pair ON interactions_event (actor, target) WHERE type IN
    ('like', 'pass', 'match', 'unmatch', 'save', 'block', 'unblock', 'report')
"""


class Migration(migrations.Migration):
    dependencies = [("interactions", "0007_recent_figures")]

    operations = [
        migrations.CreateModel(
            name="KeptFact",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("type", models.CharField(max_length=16)),
                ("actor", models.IntegerField()),
                ("a", models.IntegerField()),
                ("b", models.IntegerField()),
                ("kind", models.CharField(max_length=8)),
                ("surface", models.CharField(blank=True, max_length=32)),
                ("occurred_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["a", "b"], name="keptfact_bond"),
                    models.Index(fields=["b"], name="keptfact_b"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Untold",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("events", ArrayField(models.UUIDField())),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.CreateModel(
            name="KeptSince",
            fields=[
                ("table", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("since", models.DateTimeField()),
            ],
        ),
        migrations.AddField("relationship", "version", models.BigIntegerField(default=0)),
        migrations.RunSQL(VERSION, "DROP SEQUENCE interactions_version"),
        migrations.RunSQL(NUMBERED, migrations.RunSQL.noop),
        migrations.RunSQL(FACTS, migrations.RunSQL.noop),
        migrations.RunSQL("DROP INDEX interactions_event_pair", PAIR_INDEX),
        migrations.AddIndex("undone", models.Index(fields=["undone_by"], name="undone_by")),
        # The unique constraint begins with the same column.
        migrations.RemoveIndex("relationship", "relationship_actor"),
    ]
