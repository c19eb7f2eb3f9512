"""The product's own step that runs another workflow, beside those for tests."""

from app.steps.run_workflow import STEP

__all__ = ["STEP"]
