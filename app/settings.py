"""What the HTTP side reads from the environment beyond what both sides need."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from contract.settings import Settings

Network = IPv4Network | IPv6Network


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _seconds(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(",") if part.strip())


def _check_networks(text: str) -> str:
    _networks(text)
    return text


def _check_seconds(text: str) -> str:
    if list(_seconds(text)) != sorted({0.0, *_seconds(text)} - {0.0}):
        raise ValueError("these must be seconds that ascend from more than 0")
    return text


class AppSettings(Settings):
    """Settings of one API process; each is an environment variable `SAFELIGHT_<NAME>`."""

    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    root_path: str = Field(
        default="",
        pattern=r"^(/[^/?#]+)*$",
        description="The path under which a proxy serves this API, e.g. `/images`.",
    )
    max_queued_jobs: int = Field(default=1000, ge=0, description="With this many jobs waiting, new ones are refused.")
    max_body_bytes: int = Field(
        default=256 * 1024, ge=1, description="The most bytes of a JSON body, pictures in base64 not counted."
    )
    max_inline_bytes: int = Field(
        default=8 * 1024 * 1024, ge=0, description="The most bytes of the pictures in base64 in a JSON body."
    )
    max_image_bytes: int = Field(
        default=32 * 1024 * 1024, ge=1, description="The most bytes of a picture that is sent."
    )
    max_image_side: int = Field(default=4096, ge=1, description="The most pixels along a side of a picture.")
    max_image_pixels: int = Field(default=4096 * 4096, ge=1, description="The most pixels of a picture.")
    max_weights_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1, description="The most bytes of a safetensors file that is sent."
    )
    file_ttl_seconds: float = Field(
        default=7 * 24 * 3600, gt=0, description="How long a file can be named by requests after it was sent."
    )
    max_datasets: int = Field(default=100, ge=1, description="The most data sets that a tenant may have.")
    max_dataset_pictures: int = Field(default=1000, ge=1, description="The most pictures of a data set.")
    max_dataset_bytes: int = Field(
        default=256 * 1024 * 1024, ge=1, description="The most bytes of a data set, as it is sent and as it is kept."
    )
    max_dataset_pixels: int = Field(default=512 * 1024 * 1024, ge=1, description="The most pixels of a data set.")
    c2pa_trust: Path | None = Field(
        default=None, description="Certificates, PEM, that C2PA manifests are to lead to when pictures are verified."
    )
    prompt_deny_list: Path | None = Field(
        default=None, description="A file of words and patterns, one a line; prompts that have one of them are refused."
    )
    signed_seconds: int = Field(
        default=900,
        ge=0,
        description="How long the signed address of a picture opens it without a key; 0 signs none.",
    )
    presigned_seconds: int = Field(
        default=0,
        ge=0,
        le=900,
        description="Pictures are read from the S3-compatible store itself, by addresses that open them for so long; "
        "0 sends them from here.",
    )
    shutdown_seconds: int = Field(
        default=5, ge=1, description="How long requests in flight may take to end when the process is told to stop."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important kind of log line to write."
    )
    webhook_networks: Annotated[str, AfterValidator(_check_networks)] = Field(
        default="",
        description="Networks beyond the public internet that webhooks may reach, in CIDR form, separated by commas.",
    )
    webhook_timeout_seconds: float = Field(
        default=15, gt=0, description="How long the receiver of a webhook may take to answer."
    )
    webhook_retries_seconds: Annotated[str, AfterValidator(_check_seconds)] = Field(
        default="5,300,1800,7200,18000,36000,50400,72000,86400",
        pattern=r"^([0-9]+(\.[0-9]+)?(,[0-9]+(\.[0-9]+)?)*)?$",
        description="When a webhook that was not taken is tried again, in seconds after the first try.",
    )
    webhook_secret_overlap_seconds: float = Field(
        default=24 * 3600, ge=0, description="How long the old secret still signs webhooks after it was replaced."
    )

    @model_validator(mode="after")
    def _check_presigning(self) -> Self:
        if self.presigned_seconds and not self.artifacts_location.startswith("s3://"):
            raise ValueError("SAFELIGHT_PRESIGNED_SECONDS is for artifacts in an S3-compatible store")
        return self

    @property
    def reachable_networks(self) -> tuple[Network, ...]:
        """What webhooks may reach beyond the public internet."""
        return _networks(self.webhook_networks)

    @property
    def retries_at_seconds(self) -> tuple[float, ...]:
        """When a webhook is tried again."""
        return _seconds(self.webhook_retries_seconds)
