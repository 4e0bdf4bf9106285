"""The kubelet of a node: runs its pods. One process for each node, on asyncio. No click, no yaml."""
