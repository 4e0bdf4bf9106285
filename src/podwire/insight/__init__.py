"""Answers about a cluster or a world: what its objects mean, from the models that the agents use themselves."""
