"""No tables: delivery rows belong to apps.interactions, so that learning and experiments may read them."""
