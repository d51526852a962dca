"""Who looks and who may be shown: profile, preferences, visibility, connections, erasure."""
