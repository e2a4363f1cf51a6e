"""Panels: each draws one look at a dataset on an `Axes`, exact values with it where they exist."""
