"""`podwire doctor`: what is wrong with a cluster and each of its nodes, and what to do. Facts are gathered first."""
