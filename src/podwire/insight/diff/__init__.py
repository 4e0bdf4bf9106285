"""Which connections a change of the objects opens, and which it closes."""
