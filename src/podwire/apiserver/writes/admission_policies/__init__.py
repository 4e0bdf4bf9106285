"""ValidatingAdmissionPolicies: CEL expressions of users that decide which writes are admitted."""
