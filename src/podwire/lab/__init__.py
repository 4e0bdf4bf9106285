"""A world on one machine. A room is named for the process that runs it; its `__init__` has its rules for imports."""
