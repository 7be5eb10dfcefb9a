"""What the HTTP side and the worker side agree on; it knows neither torch nor fastapi."""
