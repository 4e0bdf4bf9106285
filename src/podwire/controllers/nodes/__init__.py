"""The scheduler and the node lifecycle."""
