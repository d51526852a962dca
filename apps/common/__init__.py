"""Clock, errors, geography, the change feed. Kept small."""
