"""From Ingresses as they are written to what podwire does with them, and to Gateway API."""
