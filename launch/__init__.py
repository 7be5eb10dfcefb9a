"""The whole service on one machine: starts the store, the API and a worker, and keeps them running."""
