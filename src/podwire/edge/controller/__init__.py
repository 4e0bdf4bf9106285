"""The program `podwire gateway-controller`: Gateways in, configured Envoys and status out."""
