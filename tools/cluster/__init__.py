"""A real Kubernetes control plane and its nodes on this machine, in namespaces, with programs of published Go modules.

`python -m tools.cluster up` starts it; docs/how-to/real-cluster.md has what it needs.
"""
