"""Tests of realtime/admin/: events, system logs and tokens."""
