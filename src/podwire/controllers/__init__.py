"""Control loops that write to the API, for clusters without kube-controller-manager."""
