"""What the whole-path tests stand on: servers, clients with their own reducer, writers, rows."""
