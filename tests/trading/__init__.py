"""Tests of trading/: arithmetic, risk, services, feeds, REST, admin, simulation."""
