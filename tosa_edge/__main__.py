"""`python -m tosa_edge`, which is how torchrun starts a verb."""

from tosa_edge.cli import main

main()
