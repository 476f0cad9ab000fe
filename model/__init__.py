"""Formats, the network and its file, the golden model and the timing model: the truth."""
