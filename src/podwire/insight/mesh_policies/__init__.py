"""What the mesh's policies mean for a connection or a request, for the explanations of both."""
