from django.db import migrations

FORWARD = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER release_immutable BEFORE UPDATE OR DELETE ON releases_release
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON common_auditentry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
BACKWARD = """
DROP TRIGGER release_immutable ON releases_release;
DROP TRIGGER audit_append_only ON common_auditentry;
DROP FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    """What was published, and who did what, stands: in Postgres, not in code alone."""

    dependencies = [("releases", "0001_initial"), ("common", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
