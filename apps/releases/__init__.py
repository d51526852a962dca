"""Revisions and releases: draft, difference, publish, roll back."""
