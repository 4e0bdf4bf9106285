"""Port-forwarding: many TCP connections of a client inside one WebSocket, each to a port of a pod."""
