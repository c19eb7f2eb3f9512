"""AI providers, the sample writer, prices and usage."""
