"""What the controllers share: caches, owner references, names, writes of pods."""
