"""A test-only app: models with every relation that Django knows, and feeds that publish them."""
