"""Kinds that users define: structural schemas, CEL rules, defaults, pruning."""
