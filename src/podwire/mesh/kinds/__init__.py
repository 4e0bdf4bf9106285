"""Kinds of `mesh.podwire.dev`, as values."""
