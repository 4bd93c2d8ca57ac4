"""Tests of trading/services/: every write, what it refuses, and what it publishes."""
