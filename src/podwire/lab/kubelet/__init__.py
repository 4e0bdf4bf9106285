"""What upstream calls a kubelet: it runs the pods of one node. One process for each node, on asyncio."""
