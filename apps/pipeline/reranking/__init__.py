"""From scores to a list: pins, diversity, exploration, the random order, and what to say about each."""
