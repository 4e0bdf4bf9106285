"""podwire in a cluster: the manifests of its agents, DNS and rights, applied, upgraded and removed.

Pure: settings -> manifests (`detection`, `chosen_settings`, `manifests`, `revisions`, `changes`, `rollout`). Effects:
`cluster_reading` finds settings in a cluster; `installation`, `readiness`, `kube_proxy` and `removal` change one.
"""
