"""Starting runs, their pages and history."""
