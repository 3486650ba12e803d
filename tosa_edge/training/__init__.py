"""Data sets, rendering, distillation and supervised training."""
