"""What every program of podwire has: flags of the API server, logs, signals, probe and metrics endpoints.

The name is that of Kubernetes' own library for the same purpose, k8s.io/component-base.
"""
