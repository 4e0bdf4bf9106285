"""podwire: Kubernetes networking, whole, with a Python control plane."""

__version__ = "0.1.0"
