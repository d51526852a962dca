"""No tables: policies are values inside revisions and releases (apps.policies.schema)."""
