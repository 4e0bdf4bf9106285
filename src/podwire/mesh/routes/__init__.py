"""Routes whose parent is a Service, in the terms of the edge's model: which requests go where, by port and client."""
