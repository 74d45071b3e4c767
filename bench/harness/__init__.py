"""What bench/compare, bench/limit and bench/flood are made of."""
