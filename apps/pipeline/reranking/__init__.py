"""From scores to a list: diversity, places by rules, exploration, the random order, reasons."""
