"""EndpointSlices from pods, Endpoints, and the mirroring between them."""
