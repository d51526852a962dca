"""Real processes are killed, stopped and starved here. The tests of this folder share a site."""
