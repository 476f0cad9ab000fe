"""Recipes, trained integer networks and the real data they run on."""
