"""What `make run-cluster` runs: PostgreSQL, Redis, two servers and a trader behind nginx."""
