"""What is proven of podwire on a real cluster, and its page: docs/reference/cluster.md."""
