"""Board targets, synthesis, place and route, and their reports."""
