"""Tools without domain: settings, database, clock, ids, errors, queue, outbox. Imports nothing of ours."""
