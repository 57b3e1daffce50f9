"""The way in: HTTP/1.1 from clients."""
