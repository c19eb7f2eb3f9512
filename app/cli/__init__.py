"""The command line: one file a group. Everything heavy is imported inside the commands, so that ``--help`` is quick."""
