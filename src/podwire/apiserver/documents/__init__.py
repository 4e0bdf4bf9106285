"""Documents beside resources: discovery, OpenAPI, health, version."""
