"""What happened: events, deliveries, relationships, and the online state derived from them."""
