"""BGP: routes to load balancers' addresses, announced by bird (Debian's bird2) as a child of the agent.

An agent without peers imports nothing of this.
"""
