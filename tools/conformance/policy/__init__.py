"""network-policy-api's own conformance suite against a world."""
