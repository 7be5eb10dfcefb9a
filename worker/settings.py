"""What a worker reads from the environment, beyond what both sides share."""

from pathlib import Path

from pydantic import Field

from contract.safety import SafetyPolicy
from contract.settings import Settings


class WorkerSettings(Settings):
    """Settings of one worker; each is an environment variable `SAFELIGHT_<NAME>`."""

    num_threads: int | None = Field(
        default=None,
        ge=1,
        description="CPU threads of one forward; by default all cores, shared out over the workers.",
    )
    rows_per_forward: int | None = Field(
        default=None,
        ge=1,
        description="Rows in every forward of the network, instead of the sizes that are measured to agree and to pay.",
    )
    compile: bool = Field(
        default=False,
        description="Compile networks with torch.compile: minutes once for every size of forwards, kept in `<home>`.",
    )
    result_cache_bytes: int = Field(
        default=0, ge=0, description="Memory for finished pictures, which equal requests get at once; 0 keeps none."
    )
    max_in_flight: int | None = Field(
        default=None,
        ge=1,
        description="A worker takes another job while it has fewer images than this in flight; by default, while its "
        "forwards have room.",
    )
    model_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Bytes that the weights of all models in memory may have; the least recently used go first. By "
        "default half of the device's memory.",
    )
    routing_patience_seconds: float = Field(
        default=5,
        ge=0,
        description="For this long a waiting job may be overtaken by one of the next 15 whose model a worker has in "
        "memory.",
    )
    priority_patience_seconds: float = Field(
        default=60,
        ge=0,
        description="A job that has waited this long has every fourth turn of its tenant's, whatever is more urgent.",
    )
    drain_seconds: float = Field(
        default=5, ge=0, description="How long a stopping worker works on; what is not done then is queued again."
    )
    artifact_patience_seconds: float = Field(
        default=60,
        ge=0,
        description="How long the artifact store may take nothing before the jobs in work fail for it.",
    )
    stall_seconds: float = Field(
        default=300, gt=0, description="After this long without a sign of life, a busy child process is replaced."
    )
    receipt_key: Path | None = Field(
        default=None,
        description="The Ed25519 key, PEM, that signs receipts of pictures; by default one that is made at the first "
        "start in `<home>`.",
    )
    c2pa_certificate: Path | None = Field(
        default=None,
        description="Certificates, PEM, the signer's own first: every picture gets a C2PA manifest, signed with them. "
        "Needs c2pa-python.",
    )
    c2pa_key: Path | None = Field(default=None, description="The private key of the first of these certificates, PEM.")
    safety_policy: SafetyPolicy = Field(
        default="refuse",
        description="What is done with a picture that its model's checker flags: `allow`, `blur`, or `refuse` it.",
    )
    worker_log_level: str = Field(default="INFO", description="Log level of the worker.")

    @property
    def receipt_key_file(self) -> Path:
        """Where the key is that signs receipts."""
        return self.receipt_key or self.home / "receipt-key.pem"
