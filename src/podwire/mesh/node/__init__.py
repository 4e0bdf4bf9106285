"""The program of each node, `podwire mesh-node`: certificates of its pods, its Envoy, the SPIFFE Workload API."""
