"""Mesh: mutual TLS, authorization and routes between pods, by one Envoy on each node. No sidecars.

A room may import rooms below it, in this order: controller and node, envoy and istio, routes and authorization,
identity, model. The mesh is built on `podwire.edge`, which knows nothing of it, and on `podwire.redirection`.
"""
