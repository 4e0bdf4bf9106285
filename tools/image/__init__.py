"""podwire as a container image, built without Docker and without root: `make image`, `python -m tools.image`."""
