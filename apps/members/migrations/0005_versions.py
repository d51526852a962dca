"""A version that rises with each change of who may be shown: the guard in Valkey keeps the latest word.

A trigger raises it under the row's lock, whatever path the change takes.
"""

from django.db import migrations, models

RAISE = """
CREATE SEQUENCE members_version START 10000000000;
CREATE FUNCTION raise_member_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := CASE
        WHEN (OLD.status, OLD.visibility, OLD.stopped_at, OLD.birth_date) IS DISTINCT FROM (NEW.status, NEW.visibility, NEW.stopped_at, NEW.birth_date)
        THEN nextval('members_version') ELSE OLD.version END;
    RETURN NEW;
END $$;
CREATE TRIGGER member_version BEFORE UPDATE ON members_member FOR EACH ROW EXECUTE FUNCTION raise_member_version();
"""
STOP = """
DROP TRIGGER member_version ON members_member;
DROP FUNCTION raise_member_version();
DROP SEQUENCE members_version;
"""


class Migration(migrations.Migration):
    dependencies = [("members", "0004_earlier_profiles")]

    operations = [
        migrations.AddField("member", "version", models.BigIntegerField(db_default=0, editable=False)),
        migrations.RunSQL(RAISE, STOP),
    ]
