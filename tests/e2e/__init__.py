"""Whole-path tests: the real server as a process, real clients, the database read directly."""
