"""HTTP in, jobs out; it knows neither torch nor the worker."""
