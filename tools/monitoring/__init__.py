"""The Grafana dashboard in deploy/monitoring: `python -m tools.monitoring` writes it from a table of panels."""
