"""The audit trail. What people do is recorded with the change (`record`); what changed in a row, by whatever
path, is recorded by triggers in Postgres (`watching`), under the name given to `acting`.

The trail is append-only: a trigger refuses changes, and the application's database role has no right to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from apps.common.errors import Denied, Problem
from apps.common.models import AuditEntry

SYSTEM = "system"
LONGEST_REASON = 200

# One entry a row that was made, changed or deleted. Arguments: what to call it, the column that names the
# row, "values" or "names" (of fields alone), fields that don't count, fields whose values are secret.
FUNCTION = """
CREATE FUNCTION audit_rows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    said text := coalesce(nullif(current_setting('raya_recs.actor', true), ''), ':system');
    by_user int := nullif(split_part(said, ':', 1), '')::int;
    by_name text := substr(said, strpos(said, ':') + 1);
    what text := TG_ARGV[0];
    named_by text := TG_ARGV[1];
    with_values boolean := TG_ARGV[2] = 'values';
    uncounted text[] := string_to_array(TG_ARGV[3], ',');
    secret text[] := string_to_array(TG_ARGV[4], ',');
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO common_auditentry (kind, actor_id, actor_name, action, subject, after)
        SELECT 'row', by_user, by_name, what || '.created', what || ' ' || (to_jsonb(n) ->> named_by),
            CASE WHEN with_values THEN to_jsonb(n) - uncounted - secret END
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO common_auditentry (kind, actor_id, actor_name, action, subject, before)
        SELECT 'row', by_user, by_name, what || '.deleted', what || ' ' || (to_jsonb(o) ->> named_by),
            CASE WHEN with_values THEN to_jsonb(o) - uncounted - secret END
        FROM old_rows o;
    ELSE
        INSERT INTO common_auditentry (kind, actor_id, actor_name, action, subject, before, after)
        SELECT 'row', by_user, by_name, what || '.changed', what || ' ' || row_name,
            CASE WHEN with_values THEN was END,
            CASE WHEN with_values THEN becomes ELSE jsonb_build_object('fields', fields) END
        FROM (
            SELECT earlier.doc ->> named_by AS row_name,
                jsonb_agg(f.field ORDER BY f.field) AS fields,
                jsonb_object_agg(f.field, CASE WHEN f.field = ANY(secret) THEN to_jsonb('secret'::text)
                    ELSE earlier.doc -> f.field END) AS was,
                jsonb_object_agg(f.field, CASE WHEN f.field = ANY(secret) THEN to_jsonb('changed'::text)
                    ELSE f.content END) AS becomes
            FROM (SELECT to_jsonb(o) AS doc FROM old_rows o) earlier
            JOIN (SELECT to_jsonb(n) AS doc FROM new_rows n) later
                ON later.doc ->> named_by = earlier.doc ->> named_by
            CROSS JOIN LATERAL jsonb_each(later.doc) AS f (field, content)
            WHERE f.content IS DISTINCT FROM earlier.doc -> f.field AND NOT f.field = ANY(uncounted)
            GROUP BY 1
        ) changed;
    END IF;
    RETURN NULL;
END $$;
"""
_TABLES = {"INSERT": "NEW TABLE AS new_rows", "DELETE": "OLD TABLE AS old_rows"}
_TABLES["UPDATE"] = f"{_TABLES['DELETE']} {_TABLES['INSERT']}"


def watching(
    table: str,
    label: str,
    *,
    key: str = "id",
    values: bool = True,
    uncounted: Sequence[str] = ("updated_at",),
    secret: Sequence[str] = (),
) -> str:
    """The SQL that has every change of a table's rows audited; with `values` off, names of fields alone."""
    said = [label, key, "values" if values else "names", ",".join(uncounted), ",".join(secret)]
    call = ", ".join(f"'{one}'" for one in said)
    return "".join(
        f"CREATE TRIGGER audit_{event.lower()} AFTER {event} ON {table} REFERENCING {tables} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION audit_rows({call});\n"
        for event, tables in _TABLES.items()
    )


def not_watching(table: str) -> str:
    return "".join(f"DROP TRIGGER audit_{event.lower()} ON {table};\n" for event in _TABLES)


def record(actor: User | None, action: str, subject: str, before: Any, after: Any) -> None:
    """What somebody did to what, in the transaction of the change; nobody is the system itself."""
    AuditEntry.objects.create(
        actor=actor,
        actor_name=actor.get_username() if actor else SYSTEM,
        action=action,
        subject=subject[:128],
        before=before,
        after=after,
    )


def must_have(actor: User | None, permission: str, message: str) -> None:
    """Raises Denied without this permission. Nobody is the system itself, which may."""
    if actor is not None and not actor.has_perm(permission):
        raise Denied(message)


def checked_reason(reason: str) -> str:
    """What staff wrote, as it is kept. Raises Problem `reason_missing`."""
    reason = reason.replace("\x00", "").strip()
    if not 3 <= len(reason) <= LONGEST_REASON:
        raise Problem(f"Say why, in 3 to {LONGEST_REASON} letters.", code="reason_missing", field="reason")
    return reason


def act_as(name: str, user: int | None = None) -> None:
    """Names who changes rows on this thread's connection from now on; no name: the system."""
    said = f"{user or ''}:{name}" if name else ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('raya_recs.actor', %s, false)", [said])


@contextmanager
def acting(name: str, user: int | None = None) -> Iterator[None]:
    """`act_as` for a while."""
    act_as(name, user)
    try:
        yield
    finally:
        if not connection.needs_rollback:  # a broken transaction takes the name away by itself
            act_as("")
