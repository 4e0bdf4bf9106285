"""Ranges of pods: each Node gets its podCIDRs from pools."""
