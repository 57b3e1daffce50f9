"""Bytes: HTTP messages as plain values, server-sent events, JSON, multipart. No I/O."""
