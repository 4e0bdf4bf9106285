"""Gateway API's own conformance suite against a world."""
