"""One Envoy in its container: its configuration file, its process, and its drain before the end."""
