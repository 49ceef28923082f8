"""Kernels: arrays in, arrays out, compiled; they know no labels and no files."""
