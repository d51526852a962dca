"""Who sees which variant, what it did, and how sure we can be: assignment, exposure, statistics, apart."""
