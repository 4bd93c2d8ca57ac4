"""What a database holds that was migrated and never used."""

from __future__ import annotations

from tests.e2e.support.databases import Database


def test_new_database_has_the_default_account_and_nothing_else(blank_database: Database) -> None:
    assert blank_database.rows("SELECT slug FROM trading_account") == [{"slug": "default"}]
    assert blank_database.rows("SELECT 1 FROM trading_position") == []
