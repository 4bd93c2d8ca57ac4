"""Tests of trading/simulation/ and the `simulate` command."""
