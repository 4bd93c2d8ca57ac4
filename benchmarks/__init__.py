"""Measures what the project promises to be fast at: `python -m benchmarks`, or `make bench`."""
