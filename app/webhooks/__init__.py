"""Calls back: where they may go, what they say, and when they are tried again."""
