"""What the gateway costs, measured beside a plain proxy: ./dev bench, docs/performance.md."""
