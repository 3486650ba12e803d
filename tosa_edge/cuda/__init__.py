"""NVIDIA GPUs through cuda-python: contexts, memory, streams, captured graphs, arrays of others, two kernels.

Only the driver's interface is used, not the CUDA runtime's on top of it. Contexts are explicit there, which
is what an application needs that has one of its own; and bindings of one CUDA then work with every later
driver. Nothing of CUDA is imported before it is used.
"""
