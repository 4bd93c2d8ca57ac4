"""Tests of trading/admin/: what an operator sees and does."""
