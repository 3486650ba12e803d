"""How fast and how large: variants measured against each other, in one run, on one machine."""
