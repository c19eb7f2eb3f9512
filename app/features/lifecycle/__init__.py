"""A workflow's life: testing, publishing, comparing and going back, on and off, copies, deletion, files in and out."""
