"""How the prompts of one request are read: by which syntax, and with which words that the request brings along."""

from dataclasses import dataclass, field, replace
from typing import Any

from contract.errors import AdapterMismatch, UnsupportedPromptSyntax
from contract.prompt_syntax import PromptSyntax, Run, Segment, parse
from worker.lora import Lora
from worker.steering import Steering
from worker.textual_inversion import Inversion

ENCODERS = ("text_encoder", "text_encoder_2")
"""Of a model, under diffusers' names, in the order of their numbers."""


@dataclass(frozen=True, slots=True)
class Accent:
    """Products of a LoRA beside layers of text encoders; `digest` names the file. `lora` is None in keys of caches."""

    digest: str
    scale: float
    lora: Lora | None = field(compare=False, repr=False)

    @property
    def is_heard(self) -> bool:
        """Whether it changes a text encoder at all."""
        return self.scale != 0 and self.lora is not None and any(self.lora.products.get(part) for part in ENCODERS)

    def steering(self, encoder: int, network: Any) -> Steering | None:
        """What it asks of the text encoder of this number."""
        return None if self.lora is None else self.lora.steering(ENCODERS[encoder], network, self.scale)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Equal ones read alike, so it is part of what an encoded prompt is known by."""

    syntax: PromptSyntax = "plain"
    inversions: tuple[Inversion, ...] = ()
    accents: tuple[Accent, ...] = ()

    @property
    def name(self) -> "Lexicon":
        """An equal one that keeps no weights in memory."""
        return replace(self, accents=tuple(replace(accent, lora=None) for accent in self.accents))

    @property
    def unlettered(self) -> "Lexicon":
        """The same text encoders, for a prompt without words."""
        return Lexicon(accents=self.accents)

    def steering(self, encoder: int, network: Any) -> tuple[Steering, ...]:
        """What it asks of the text encoder of this number."""
        asked = (accent.steering(encoder, network) for accent in self.accents)
        return tuple(steering for steering in asked if steering is not None)

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
