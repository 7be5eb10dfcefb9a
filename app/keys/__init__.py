"""`python -m app.keys`: what operators do with API keys."""
