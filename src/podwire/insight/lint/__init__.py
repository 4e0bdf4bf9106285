"""Faults of policies and Services that are valid objects and do not mean what their author meant."""
