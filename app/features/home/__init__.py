"""The first page: what waits for me, what runs, what is ready."""
