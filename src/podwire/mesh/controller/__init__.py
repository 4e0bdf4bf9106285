"""The program `podwire mesh-controller`: the authority of identities, and the mesh's pods on nodes, on demand."""
