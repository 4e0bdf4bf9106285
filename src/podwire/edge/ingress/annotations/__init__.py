"""Annotations of Ingresses: a grammar for each value, and what is not honoured, with the reason."""
