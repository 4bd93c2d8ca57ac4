"""Daphne's own server with what the protocol needs: close codes, draining, ready-made frames."""
