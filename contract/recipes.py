"""What each method of fine-tuning uses of a request, and what it takes where the client says nothing."""

from pydantic import BaseModel, ConfigDict

from contract.fine_tuning import Method

USES: dict[str, tuple[Method, ...]] = {
    "trigger": ("lora", "textual_inversion", "dreambooth", "full"),
    "rank": ("lora", "dreambooth"),
    "train_text_encoder": ("lora", "dreambooth"),
    "num_vectors": ("textual_inversion",),
    "caption_dropout": ("lora", "dreambooth", "full"),
    "validation_prompts": ("lora", "textual_inversion", "dreambooth", "full"),
    "prior_preservation": ("dreambooth",),
    "task": ("image_conditional",),
    "objective": ("image_conditional",),
}
"""Which methods use a field, where not all do."""

NEEDS: dict[str, tuple[Method, ...]] = {
    "trigger": ("textual_inversion",),
    "prior_preservation": ("dreambooth",),
    "task": ("image_conditional",),
}
"""Which methods cannot do without a field."""


class Recipe(BaseModel):
    """What a method takes where the client says nothing."""

    model_config = ConfigDict(frozen=True)

    steps: int
    learning_rate: float


RECIPES: dict[Method, Recipe] = {
    "lora": Recipe(steps=400, learning_rate=1e-3),
    "textual_inversion": Recipe(steps=400, learning_rate=5e-3),
    "dreambooth": Recipe(steps=400, learning_rate=1e-3),
    "full": Recipe(steps=400, learning_rate=1e-4),
    "image_conditional": Recipe(steps=1000, learning_rate=1e-4),
}
