"""What is known of members, places and pairs, as columns: encodings, the content tower, ranking features."""
