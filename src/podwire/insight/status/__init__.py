"""`podwire status` of a cluster: its nodes, podwire's programs on them, DNS and load balancers."""
