"""Load balancers: the addresses of Services of type LoadBalancer, from a provider."""
