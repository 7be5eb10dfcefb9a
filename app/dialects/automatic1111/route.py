"""How this dialect says no: AUTOMATIC1111's shape of errors, and the names that its requests have for our fields."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from app.dialects.route import DialectRoute, Refusal
from contract.errors import SafelightError

THEIR_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "adapters": "prompt",
        "guidance_scale": "cfg_scale",
        "image": "init_images",
        "image_guidance_scale": "image_cfg_scale",
        "mask_padding": "inpaint_full_res_padding",
        "model": "override_settings.sd_model_checkpoint",
        "num_images": "batch_size × n_iter",
        "num_inference_steps": "steps",
        "prompt_syntax": "prompt",
        "resize": "resize_mode",
        "scheduler": "sampler_name",
        "strength": "denoising_strength",
    }
)
"""By our names for the same, where they differ; the beginning of a dotted path counts."""


CHALLENGE = {"WWW-Authenticate": 'Basic realm="Safelight"'}
"""What clients of this dialect log in with: any name, and a key as the password."""


class Automatic1111Error(BaseModel):
    """The body of every answer of this dialect that is an error."""

    error: str = Field(
        description="What went wrong, in a word that does not change.", examples=["limit_exceeded", "unknown_sampler"]
    )
    detail: str = Field(
        description="What went wrong, for people; it names the field that is to blame, where one is.",
        examples=["steps is 500, and the model allows at most 150."],
    )
    body: str = Field(default="", description="Empty: what was sent is not sent back.", examples=[""])
    errors: str = Field(description="The field that is to blame; empty where none is.", examples=["steps", ""])


class Automatic1111Route(DialectRoute):
    """A route of this dialect."""

    error_shape = Automatic1111Error

    @staticmethod
    def refuse(refusal: Refusal) -> Response:
        """The error as webuiapi and its like show it: they print the body."""
        field = refusal.field or ""
        detail = refusal.message if field in refusal.message else f"{field}: {refusal.message}"
        error = Automatic1111Error(error=refusal.code, detail=detail, errors=field)
        headers = refusal.headers | (CHALLENGE if "WWW-Authenticate" in refusal.headers else {})
        return JSONResponse(error.model_dump(), refusal.status, headers)


@contextmanager
def in_their_words(names: Mapping[str, str] = THEIR_NAMES) -> Iterator[None]:
    """This gives the fields in errors the names that the client has for them."""
    try:
        yield
    except SafelightError as error:
        ours = (error.field or "").partition(".")[0]
        if ours in names:
            error.message = error.message.replace(ours, names[ours]) if "_" in ours else error.message
            error.field = names[ours]
        raise
