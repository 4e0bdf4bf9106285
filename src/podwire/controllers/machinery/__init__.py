"""What the controllers share: owner references, pod control, deletion, status patches, supervision."""
