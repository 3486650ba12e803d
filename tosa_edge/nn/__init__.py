"""The model in PyTorch: pure functions first, modules second."""
