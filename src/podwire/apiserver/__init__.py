"""The embedded Kubernetes API server. Its rooms, low to high, are a layers contract in pyproject.toml."""
