"""CustomResourceDefinitions at work: accepted names, conditions, and serving their kinds."""
