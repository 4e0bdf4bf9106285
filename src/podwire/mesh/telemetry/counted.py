"""Names of what a node's Envoy counts, and of the tags that it counts by: addresses and identities, not workloads."""

from __future__ import annotations

PREFIX = "istio"
"""Of all names: `envoy_istio_requests_total` in Envoy's own page."""
REQUESTS = "requests_total"
DURATION, REQUEST_BYTES, RESPONSE_BYTES = "request_duration_milliseconds", "request_bytes", "response_bytes"
HISTOGRAMS = (DURATION, REQUEST_BYTES, RESPONSE_BYTES)
OPENED, CLOSED = "tcp_connections_opened_total", "tcp_connections_closed_total"
SENT, RECEIVED = "tcp_sent_bytes_total", "tcp_received_bytes_total"

REPORTER = "reporter"
SOURCE, DESTINATION = "source", "destination"
"""Values of `reporter`: the Envoy of the client's node, and that of the server's."""
CLIENT, CLIENT_ID = "client", "client_id"
"""Address and identity of the client; empty for one that is no pod of the mesh."""
SERVER, SERVER_ID = "server", "server_id"
"""Address of the endpoint, with a port where a route has led there; its identity where TLS has shown it."""
SERVICE, BACKEND = "service", "backend"
"""`NAMESPACE/SERVICE`: that of the routes, and the name of the cluster that a route has chosen."""
ROUTE, CODE, FLAGS, SECURITY = "route", "code", "flags", "security"

MUTUAL_TLS, SAME_NODE, PLAIN = "mutual_tls", "same_node", "none"
"""Values of `security`: TLS with both identities; known by the address, with no wire between; anything else."""
