"""The way out: HTTP/1.1 to backends."""
