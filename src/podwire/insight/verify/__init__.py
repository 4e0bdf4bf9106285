"""Expectations of who reaches whom, proven with real packets: in an ephemeral world, a running one, or a cluster."""
