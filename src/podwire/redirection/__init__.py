"""Redirection: which connections of pods go to the Envoy of their node, and the constant rules that lead them there."""
