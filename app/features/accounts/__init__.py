"""People, workspaces, roles, sessions, audit."""
