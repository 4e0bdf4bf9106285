"""Zero trust: what is reachable without identity, without encryption or without a rule."""
