"""How a run survives: the database is the truth, the queue is only a hint, and every effect has a key."""
