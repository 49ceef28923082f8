"""Read and write: sequences, regions, structures, and the elements of a store."""
