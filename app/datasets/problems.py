"""What is wrong with single files of a data set: said beside what was kept."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from contract.errors import SafelightError

ProblemCode = Literal[
    "unsupported_file",
    "damaged_file",
    "limit_exceeded",
    "too_small",
    "duplicate",
    "no_caption",
    "malformed_caption",
    "caption_too_long",
    "orphaned_caption",
    "orphaned_target",
    "target_of_other_size",
]
"""The first three are those of files anywhere. A picture that has no caption, or no good target, is kept without."""


class FileProblem(BaseModel):
    """Something that is wrong with one of the files."""

    file_name: str = Field(description="Which file, and which line of one with many captions.", examples=["cat.png"])
    code: ProblemCode = Field(description="What is wrong, in a word that does not change.", examples=["too_small"])
    message: str = Field(
        description="What is wrong, for people.", examples=["The picture has 8 × 8 pixels, and needs 32 a side."]
    )


@dataclass(frozen=True, slots=True)
class Problems:
    """All that was found wrong, in the order in which it was found."""

    all: list[FileProblem]

    def add(self, file_name: str, code: ProblemCode, message: str) -> None:
        """Notes one more."""
        self.all.append(FileProblem(file_name=file_name[:250], code=code, message=message))

    def refuse(self, file_name: str, error: SafelightError) -> None:
        """Notes why a file was refused, by an error that files have anywhere."""
        self.all.append(
            FileProblem.model_validate({"file_name": file_name[:250], "code": error.code, "message": error.message})
        )
