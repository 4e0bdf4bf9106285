"""HTTP/1.1 over TLS: sockets, limits, responses and watch streams."""
