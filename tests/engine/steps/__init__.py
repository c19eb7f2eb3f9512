"""Step types for tests of the engine: small, and honest about what they reach."""
