"""Tests of the alerts: the outbox, the webhook, e-mail."""
