"""The process that makes Services reachable from the host: listeners on loopback, relayed into the world.

`forwards`, `published` and `host_addresses` are pure. `low_ports` runs as the caller of `up`, outside of the world.
No click, no yaml.
"""
