"""What proves the project: mirrors of its packages, whole-path tests in e2e, broken copies in mutants."""
