from django.db import migrations

# What calls about a member or place were answered goes with them, in the same transaction, whoever deletes
# them: the API, the admin, a command. The key stays, so that a late copy of a call is not done after all; the
# attempt is another's, so that a call that is still running keeps no answer either.
FORGET = """
CREATE FUNCTION api_forget_answers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_keptanswer
    SET path = '', attempt = gen_random_uuid(), status = 404, content_type = '', body = ''
    WHERE path IN (TG_ARGV[0] || OLD.external_id, TG_ARGV[0] || OLD.external_id || '/trips')
        OR (path LIKE '/api/v1/connections/%' AND TG_TABLE_NAME = 'members_member'
            AND OLD.external_id IN (split_part(path, '/', 5), split_part(path, '/', 6)));
    RETURN NULL;
END $$;
CREATE TRIGGER api_forget_answers AFTER DELETE ON members_member
    FOR EACH ROW EXECUTE FUNCTION api_forget_answers('/api/v1/members/');
CREATE TRIGGER api_forget_answers AFTER DELETE ON places_place
    FOR EACH ROW EXECUTE FUNCTION api_forget_answers('/api/v1/places/');
"""
KEEP = """
DROP TRIGGER api_forget_answers ON members_member;
DROP TRIGGER api_forget_answers ON places_place;
DROP FUNCTION api_forget_answers();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0005_backfill_scope"),
        ("members", "0004_earlier_profiles"),
        ("places", "0004_earlier_places"),
    ]

    operations = [migrations.RunSQL(FORGET, KEEP)]
