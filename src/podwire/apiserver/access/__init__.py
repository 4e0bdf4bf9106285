"""Authentication, authorization and audit."""
