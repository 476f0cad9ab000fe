"""cocotb benches, simulator runners and first-mismatch reports."""
