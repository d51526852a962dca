"""Places for the travel surface, curated lists."""
