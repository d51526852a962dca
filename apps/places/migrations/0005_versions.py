"""A version that rises with each change of who may be shown: the guard in Valkey keeps the latest word.

A trigger raises it under the row's lock, whatever path the change takes.
"""

from django.db import migrations, models

RAISE = """
CREATE SEQUENCE places_version START 10000000000;
CREATE FUNCTION raise_place_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := CASE
        WHEN (OLD.visibility, OLD.stopped_at) IS DISTINCT FROM (NEW.visibility, NEW.stopped_at)
        THEN nextval('places_version') ELSE OLD.version END;
    RETURN NEW;
END $$;
CREATE TRIGGER place_version BEFORE UPDATE ON places_place FOR EACH ROW EXECUTE FUNCTION raise_place_version();
"""
STOP = """
DROP TRIGGER place_version ON places_place;
DROP FUNCTION raise_place_version();
DROP SEQUENCE places_version;
"""


class Migration(migrations.Migration):
    dependencies = [("places", "0004_earlier_places")]

    operations = [
        migrations.AddField("place", "version", models.BigIntegerField(db_default=0, editable=False)),
        migrations.RunSQL(RAISE, STOP),
    ]
