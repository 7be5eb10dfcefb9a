"""What a client posts to have a prediction made."""

from typing import Annotated

from pydantic import Field

from app.dialects.replicate.inputs import PredictionInput
from app.dialects.replicate.webhooks import WebhookAsked
from app.model_versions import VERSION_ID


class ModelPredictionAsked(WebhookAsked):
    """What is asked of a model that the path names."""

    input: PredictionInput = Field(description="What to make.", examples=[{"prompt": "a red apple", "seed": 7}])
    stream: bool | None = Field(
        default=None,
        description="Whether to follow the prediction; `urls.stream` is there in any case.",
        examples=[True],
    )


class PredictionAsked(ModelPredictionAsked):
    """What is asked, and of which model."""

    version: Annotated[str, Field(min_length=1, max_length=600)] = Field(
        description="The model: its id, `owner/name`, a version's id, or `owner/name:version`.",
        examples=[VERSION_ID, "safelight/safelight-emoji"],
    )
