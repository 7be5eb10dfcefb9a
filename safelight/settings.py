"""Where the service is, who asks, and how patiently; from arguments, else from the environment."""

import os
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

DEFAULT_ADDRESS = "http://127.0.0.1:8000"


class Patience(TypedDict, total=False):
    """How patient a client is. See Settings."""

    timeout_seconds: float
    max_retries: int
    reconnect_seconds: float


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client was made with.

    `timeout_seconds` is for connecting, and for each silence while something is sent or received; `max_retries` is how
    often a call is tried again; who follows a job reconnects until `reconnect_seconds` have brought no sign of life.
    """

    address: str
    headers: dict[str, str] = field(repr=False)
    timeout_seconds: float = 60.0
    max_retries: int = 4
    reconnect_seconds: float = 120.0

    @classmethod
    def of(cls, address: str | None, api_key: str | None, **patience: Unpack[Patience]) -> "Settings":
        """From arguments, else from `SAFELIGHT_ADDRESS` and `SAFELIGHT_API_KEY`. Raises: ValueError."""
        address = address or os.environ.get("SAFELIGHT_ADDRESS") or DEFAULT_ADDRESS
        if not address.startswith(("http://", "https://")):
            raise ValueError(f"The address {address!r} must begin with http:// or https://.")
        headers = {"User-Agent": "safelight-python"}
        if api_key := (api_key or os.environ.get("SAFELIGHT_API_KEY", "")).strip():
            headers["Authorization"] = f"Bearer {api_key}"
        return cls(address.rstrip("/"), headers, **patience)
