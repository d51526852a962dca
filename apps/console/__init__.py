"""Staff pages in the admin."""
