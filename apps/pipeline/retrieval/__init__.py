"""Who may be shown at all (one compiled pass), and which of them the sources propose."""
