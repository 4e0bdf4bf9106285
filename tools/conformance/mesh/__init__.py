"""Gateway API's own conformance suite, profiles of a mesh, against a world."""
