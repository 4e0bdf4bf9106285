"""What a Service means on each node: `podwire explain service`."""
