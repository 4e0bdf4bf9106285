"""podwire in a cluster: the manifests of its agents, DNS and rights, applied, upgraded and removed.

Pure: settings -> manifests -> text (`settings`, `manifests` and a file for each object, `text`, `detection`). Effects:
`reading` finds settings in a cluster, `applying`, `rollout`, `upgrading` and `removal` change one.
"""
