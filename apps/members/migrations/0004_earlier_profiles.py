"""What a profile said until it was edited. A trigger keeps it, whatever path the edit takes."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

FACTS = "birth_date, home_market_id, home_cell, industries, crafts, skills, interests"
OLD, NEW = (", ".join(f"{row}.{name}" for name in FACTS.split(", ")) for row in ("OLD", "NEW"))
KEEP = f"""
CREATE FUNCTION keep_earlier_profile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO members_earlierprofile (number, {FACTS}) VALUES (OLD.number, {OLD});
    RETURN NULL;
END $$;
CREATE TRIGGER earlier_profile AFTER UPDATE ON members_member FOR EACH ROW
    WHEN (({OLD}) IS DISTINCT FROM ({NEW})) EXECUTE FUNCTION keep_earlier_profile();
"""
FORGET = """
DROP TRIGGER earlier_profile ON members_member;
DROP FUNCTION keep_earlier_profile();
"""


def words():
    return django.contrib.postgres.fields.ArrayField(models.CharField(max_length=40))


class Migration(migrations.Migration):

    dependencies = [("members", "0003_lists_of_millions")]

    operations = [
        migrations.CreateModel(
            name="EarlierProfile",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "member",
                    models.ForeignKey(
                        db_column="number",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="members.member",
                    ),
                ),
                ("until", models.DateTimeField(db_default=Now())),
                ("birth_date", models.DateField(null=True)),
                ("home_market_id", models.IntegerField(null=True)),
                ("home_cell", models.IntegerField(null=True)),
                ("industries", words()),
                ("crafts", words()),
                ("skills", words()),
                ("interests", models.JSONField()),
            ],
        ),
        migrations.RunSQL(KEEP, FORGET),
    ]
