"""What the mesh consists of, as values: workloads. Pure."""
