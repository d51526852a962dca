"""What a place was until it was edited. A trigger keeps it, whatever path the edit takes."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

FACTS = "market_id, cell, category, tags, price_band"
OLD, NEW = (", ".join(f"{row}.{name}" for name in FACTS.split(", ")) for row in ("OLD", "NEW"))
KEEP = f"""
CREATE FUNCTION keep_earlier_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO places_earlierplace (number, {FACTS}) VALUES (OLD.number, {OLD});
    RETURN NULL;
END $$;
CREATE TRIGGER earlier_place AFTER UPDATE ON places_place FOR EACH ROW
    WHEN (({OLD}) IS DISTINCT FROM ({NEW})) EXECUTE FUNCTION keep_earlier_place();
"""
FORGET = """
DROP TRIGGER earlier_place ON places_place;
DROP FUNCTION keep_earlier_place();
"""


class Migration(migrations.Migration):

    dependencies = [("places", "0003_lists_of_millions")]

    operations = [
        migrations.CreateModel(
            name="EarlierPlace",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "place",
                    models.ForeignKey(
                        db_column="number",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="places.place",
                    ),
                ),
                ("until", models.DateTimeField(db_default=Now())),
                ("market_id", models.IntegerField()),
                ("cell", models.IntegerField()),
                ("category", models.CharField(max_length=40)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(models.CharField(max_length=40)),
                ),
                ("price_band", models.PositiveSmallIntegerField(null=True)),
            ],
        ),
        migrations.RunSQL(KEEP, FORGET),
    ]
