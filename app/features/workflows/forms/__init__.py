"""The builder's forms: a step, a question, what the workflow is called, and the whole of it as text."""
