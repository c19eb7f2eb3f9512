"""Stand-ins at the ports that are real servers: what goes over the wire is the real thing."""
