"""The page toolkit: htmx, forms, navigation, errors, filters. No domain."""
