"""Least-privilege NetworkPolicies from flow records (`podwire suggest`)."""
