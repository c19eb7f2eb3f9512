"""Pages of the builder: a draft as a diagram with a form beside it; every change is saved as a revision.

An answer to htmx is the panel (the form beside the diagram) or nothing, and beside it the parts of the page that a
change touches: head, diagram, list. Without script the same addresses answer with whole pages.

``steps`` has the pages of steps, ``questions`` those of questions, ``whole`` what is about the workflow as a whole;
``answers`` is what they share.
"""
