"""Conditions of Services whose protocols the kernel of the nodes lacks."""
