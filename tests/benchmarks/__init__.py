"""Tests of what measures: a generator that misreads would make every figure a guess."""
