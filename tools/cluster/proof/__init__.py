"""What is proven of podwire on a real cluster, and the page that says it: docs/reference/cluster.md."""
