"""Offline half: Postgres to arrays to snapshot to active."""
