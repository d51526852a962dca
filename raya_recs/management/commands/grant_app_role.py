"""Gives the role that the application runs under what it needs, and no more.

Run as the owner of the tables after each migrate; with --create it makes the role, too. The audit trail and
the releases are append-only for the role: it may read and add, nothing else. It owns the monthly tables,
since it makes and drops them.
"""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from psycopg import sql

from apps.interactions.partitions import PARTITIONED

PASSWORD = "APP_ROLE_PASSWORD"
APPEND_ONLY = ("common_auditentry", "releases_release")


class Command(BaseCommand):
    help = "Give the application's database role its rights; the audit trail is append-only for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", help="a role of Postgres, other than the owner")
        parser.add_argument(
            "--create", action="store_true", help=f"make it, or give it the password that {PASSWORD} holds"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["create"]:
            _ensure_login(options["role"], os.environ.get(PASSWORD, ""))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT quote_ident(rolname), rolsuper, rolname = current_user FROM pg_roles "
                "WHERE rolname = %s",
                [options["role"]],
            )
            found = cursor.fetchone()
        if found is None:
            raise CommandError(f"There is no role {options['role']}. Make it first: CREATE ROLE ... LOGIN")
        role, is_super, is_owner = found
        if is_super or is_owner:
            raise CommandError("A superuser or the owner can't be limited. Name a role of its own.")
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in statements(role, _monthly_tables()):
                cursor.execute(statement)
        self.stdout.write(f"{options['role']} may run the application; {', '.join(APPEND_ONLY)}: add only.")


def _ensure_login(role: str, password: str) -> None:
    if not password:
        raise CommandError(f"{PASSWORD} holds no password for {role}.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolname = current_user FROM pg_roles WHERE rolname = %s", [role])
        found = cursor.fetchone()
        if found is not None and found[0]:
            return  # refused below
        verb = sql.SQL("CREATE ROLE" if found is None else "ALTER ROLE")
        said = sql.SQL("{} {} LOGIN PASSWORD {}").format(verb, sql.Identifier(role), sql.Literal(password))
        cursor.execute(said.as_string(None))


def statements(role: str, owned: list[str]) -> list[str]:
    """The SQL, for a role whose name is quoted already."""
    return [
        f"GRANT USAGE, CREATE ON SCHEMA public TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
        *(f"REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER ON {table} FROM {role}" for table in APPEND_ONLY),
        *(f"ALTER TABLE {table} OWNER TO {role}" for table in owned),
    ]


def _monthly_tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relid::text FROM unnest(%s::regclass[]) AS parent, pg_partition_tree(parent)",
            [list(PARTITIONED)],
        )
        return [name for (name,) in cursor.fetchall()]
