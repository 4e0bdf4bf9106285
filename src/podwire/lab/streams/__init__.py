"""exec, attach, logs and port-forward over WebSocket and SPDY. Runs in the kubelet, on asyncio. No click, no yaml."""
