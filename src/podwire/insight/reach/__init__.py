"""Who can reach whom, on sets of pods, addresses and ports instead of single connections."""
