"""Sends alerts after the commit: the outbox, its channels, and the bell that wakes the watcher."""
