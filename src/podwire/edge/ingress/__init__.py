"""Ingress with the annotations of ingress-nginx, translated to the HTTP model. Pure."""
