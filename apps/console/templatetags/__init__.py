"""Template words of the console."""
