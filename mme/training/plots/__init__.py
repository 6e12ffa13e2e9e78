"""Plots as SVG, to be put into an HTML page: bars, lines and histograms.

They need no script and no other file. Colours are CSS variables that the page sets, so that they
follow its dark mode and its print style. Each plot takes numbers as they come: those that are not
finite are left out, and a plot of nothing is the empty string. What a plot shows, and for whom, is
the caller's matter.
"""
