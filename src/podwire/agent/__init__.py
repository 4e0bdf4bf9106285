"""The program of a node: flags, health and metrics, and all capabilities on one set of informers.

It is the same in a world on one machine and on a cluster: nothing here imports `podwire.lab`.
"""
