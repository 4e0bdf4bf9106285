"""Certificates and signed tokens: the keys of a cluster, to make and to check."""
