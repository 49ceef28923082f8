"""Kernels for CUDA, written with numba: loaded only when one is to run."""
