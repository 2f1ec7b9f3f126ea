"""CUDA graphs: decoding steps captured once, then launched as a whole."""
