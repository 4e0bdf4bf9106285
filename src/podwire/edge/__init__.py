"""Ingress and Gateway API: objects become one HTTP model, the model becomes resources of Envoy."""
