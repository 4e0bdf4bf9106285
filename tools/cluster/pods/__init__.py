"""Programs that run in pods of the cluster's own image. They import the standard library only."""
