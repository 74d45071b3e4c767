// The target that the tests' precompiled headers belong to (HAWSER_PCH) wants a source.
