"""Surface and market: where a list is shown, which pool it draws from."""
