"""What produces every figure that the README prints; see benchmarks/README.md."""
