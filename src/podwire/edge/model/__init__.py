"""What a proxy does with connections and requests, without Kubernetes and without Envoy. Frozen values, pure functions.

In the order of imports: `tls`, `resilience`, `matches`, `filters`, `backends`, `routes`, `listeners`, `choice`.
"""
