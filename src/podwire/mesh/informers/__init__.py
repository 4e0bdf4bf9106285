"""What the programs of the mesh follow at the API server."""
