"""The command line: a client of the API like any other, which knows nothing else of this package."""
