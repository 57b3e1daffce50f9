"""The keeper's door: health and metrics, on a port of its own."""
