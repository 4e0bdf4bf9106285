"""All objects that an answer is made from, of manifests or of an API server, in one form."""
