"""What proves the project: mirrors of its packages, whole paths (e2e), broken copies (mutants)."""
