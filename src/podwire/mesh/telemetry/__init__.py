"""Golden metrics under Istio's names, from what a node's Envoy counts by addresses. Pure."""
