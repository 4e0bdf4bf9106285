"""Garbage collection by owner references, and the deletion of namespaces."""
