"""A trader on random or recorded prices, for demonstrations and tests; all it writes is marked."""
