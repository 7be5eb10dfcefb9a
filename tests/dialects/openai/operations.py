"""The operations of this dialect, and how a test says what becomes of their parameters."""

import pytest

GENERATIONS, EDITS, VARIATIONS = OPERATIONS = (
    "POST /v1/images/generations",
    "POST /v1/images/edits",
    "POST /v1/images/variations",
)
DRAWING = (GENERATIONS, EDITS)
"""Those with a prompt."""

PATHS = {operation: operation.removeprefix("POST ") for operation in OPERATIONS}


def shows(parameter: str, how: str, remark: str, *operations: str) -> pytest.MarkDecorator:
    """Runs a test for these operations, for each of which it shows what becomes of a parameter."""
    marked = [
        pytest.param(operation, marks=pytest.mark.compat(operation, parameter, how, remark)) for operation in operations
    ]
    return pytest.mark.parametrize("operation", marked)
