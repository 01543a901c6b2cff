"""The tests; what a directory's tests may touch is told in CONTRIBUTING.md."""
