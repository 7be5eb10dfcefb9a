"""How the prompts of one request are read: by which syntax, and with which words that the request brings along."""

from dataclasses import dataclass

from contract.errors import AdapterMismatch, UnsupportedPromptSyntax
from contract.prompt_syntax import PromptSyntax, Run, Segment, parse
from worker.textual_inversion import Inversion


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Equal ones read alike, so it is part of what an encoded prompt is known by."""

    syntax: PromptSyntax = "plain"
    inversions: tuple[Inversion, ...] = ()

    def segments(self, prompt: str) -> tuple[Segment, ...]:
        """The prompt's runs; a plain prompt is one. Raises: MalformedPrompt."""
        return parse(prompt) if self.syntax == "weighted" else ((Run(prompt, 1.0),),)

    def require_plain(self, family: str) -> None:
        """For families that read a prompt as it stands. Raises: UnsupportedPromptSyntax, AdapterMismatch."""
        if self.syntax != "plain":
            raise UnsupportedPromptSyntax(f"{family} reads plain prompts only.", field="prompt_syntax")
        if self.inversions:
            raise AdapterMismatch(f"{family} takes no words from textual inversion.", field="adapters")


PLAIN = Lexicon()
