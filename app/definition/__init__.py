"""What a workflow is: schema, checks, conditions, values, answers, and the places of its diagram."""
