"""Tests of the examples, each run as its README says."""
