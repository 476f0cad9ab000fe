"""Quantization-aware training in PyTorch, and lowering to the integer network."""
