"""Which Safelight this is."""

SAFELIGHT = "0.1.0"
"""Must equal the version in pyproject.toml."""
