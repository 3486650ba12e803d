"""Random furnished rooms rendered to labelled frames, on a CPU.

A scene goes through house (rooms), furnish and clutter (what stands in them), camera (where it is
seen from), shade (light and depth) and sensor (what a camera makes of it); shards writes it down.
"""
