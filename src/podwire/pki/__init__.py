"""Certificates and signed tokens: the keys of a cluster, for whoever makes or checks them."""
