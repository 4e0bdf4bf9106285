"""Workload identities: SPIFFE ids, certificates, trust bundles, rotation, revocation: values and pure rules."""
