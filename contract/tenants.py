"""What tenants are called, and what the indices in the store are called that belong to one of them."""

import re

PUBLIC = "public"
"""The tenant of everybody while there are no keys, and of all records from before there were tenants."""

TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def index_of(index: str, tenant: str | None) -> str:
    """A tenant's own index. Those of `public` have the names that they had before there were tenants."""
    return index if tenant in (None, PUBLIC) else f"{index}@{tenant}"
