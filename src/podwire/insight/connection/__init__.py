"""Whether one connection is allowed, by which policies and rules, and what would allow it."""
