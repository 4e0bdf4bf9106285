"""The delta xDS protocol: what an Envoy holds, and the order in which it receives the rest."""
