"""HTTP between parts of podwire: limits, and passing requests on."""
