"""Live DNS queries: the packets of the cluster's DNS pods, read as questions and answers of pods."""
