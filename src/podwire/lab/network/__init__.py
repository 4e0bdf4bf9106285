"""The network outside of the nodes: addresses, the underlay, the external network, and packet capture.

`topology` is pure and runs everywhere. The others run once at start, as root of the world. No click, no yaml.
"""
