"""Broken copies of the project: each breaks one promise, and the tests named in it must notice."""
