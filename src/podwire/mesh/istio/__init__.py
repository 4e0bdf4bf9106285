"""Istio's kinds, read into kinds of this mesh and of the Gateway API. Pure."""
