"""What a workflow is: its schema, checks, conditions, values and the places of its diagram. Pydantic, Jinja's parser, stdlib."""
