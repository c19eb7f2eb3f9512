"""Documents, pictures, attachments."""
