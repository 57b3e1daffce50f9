"""The road: one exchange, from the request read to its answer's last byte."""
