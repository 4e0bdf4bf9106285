"""Resources of a node's Envoy: listeners of redirected connections, clusters of pods, filters of policies."""
