"""`python -m app.keys`: API keys are made, listed, replaced and ended, in the store that the settings name."""

import argparse
import asyncio
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import get_args

from pydantic import ValidationError

from contract.errors import SafelightError
from contract.key_texts import KeyText
from contract.keys import Key, KeyGrant, KeyStore, Scope
from contract.quotas import Quota
from contract.settings import Settings
from contract.signing import SigningSecrets
from contract.store_connection import StoreConnection

WIDTHS = (12, 7, 20, 19, 16, 16, 0)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> timedelta:
    """A time like 90s, 15m, 24h or 30d."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 90s, 15m, 24h or 30d")
    return timedelta(seconds=int(match[1]) * SECONDS[match[2]])


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(prog="python -m app.keys", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key, and print it: it is never seen again")
    create.add_argument("--tenant", required=True, help="whose it is; a tenant may have several keys")
    create.add_argument("--scopes", default="generate,read", help=f"what it allows, of {', '.join(get_args(Scope))}")
    create.add_argument("--expires-in", type=duration, help="how long it holds, e.g. 90d; without, for good")
    create.add_argument("--priorities", default="low,normal", help="what it may ask for; high is given by name only")
    create.add_argument("--pixel-steps-per-second", type=float, help="how fast its bucket fills; without, no bound")
    create.add_argument("--burst", type=int, help="pixel-steps that its bucket holds; a minute's when left out")
    create.add_argument("--max-queued", type=int, help="it may add no job while this many of its tenant's wait")
    create.add_argument("--max-running", type=int, help="its jobs wait while this many of its tenant's run")
    create.add_argument("--note", default="", help="what it is for, for those who list keys")
    commands.add_parser("list", help="show all keys, also those that have ended, without what would open anything")
    rotate = commands.add_parser("rotate", help="print a new key of the same rights; the old one ends later")
    rotate.add_argument("id", help="the old key's id")
    rotate.add_argument("--overlap", type=duration, default=duration("24h"), help="e.g. 1h; 24h when left out")
    commands.add_parser("revoke", help="end a key at once").add_argument("id", help="the key's id")
    commands.add_parser("void-addresses", help="end every signed address of a picture at once")
    return main


async def run(arguments: argparse.Namespace, connection: StoreConnection) -> None:
    """One command. Raises: SafelightError, ValidationError."""
    keys = KeyStore(connection)
    match arguments.command:
        case "create":
            show(await keys.create(granted(arguments), arguments.expires_in))
        case "list":
            print(*table((await keys.all()).values()), sep="\n")
        case "rotate":
            show(await keys.rotate(arguments.id, arguments.overlap))
        case "revoke":
            await keys.revoke(arguments.id)
            print(f"The key {arguments.id} is revoked.", file=sys.stderr)
        case "void-addresses":
            await SigningSecrets(connection).void()
            print("No address that was signed until now opens anything.", file=sys.stderr)


def granted(arguments: argparse.Namespace) -> KeyGrant:
    """What a new key is made with. Raises: ValidationError."""
    return KeyGrant(
        tenant=arguments.tenant,
        scopes=arguments.scopes.split(","),
        priorities=arguments.priorities.split(","),
        quota=Quota(**{name: getattr(arguments, name) for name in Quota.model_fields}),
        note=arguments.note,
    )


def show(text: KeyText) -> None:
    """The key alone on standard output, so that a script can take it."""
    print(f"The key {text.id}; it is not shown again:", file=sys.stderr)
    print(text)


def table(keys: Iterable[Key]) -> Iterator[str]:
    """A line a key."""
    yield line("id", "state", "tenant", "scopes", "created", "expires", "note")
    now = datetime.now(UTC)
    for key in keys:
        scopes, created, expires = ",".join(key.scopes), minute(key.created_at), minute(key.expires_at)
        yield line(key.id, key.state(now), key.tenant, scopes, created, expires, key.note)


def line(*words: str) -> str:
    """Words in columns."""
    return "  ".join(f"{word:{width}}" for word, width in zip(words, WIDTHS, strict=True)).rstrip()


def minute(time: datetime | None) -> str:
    """A time to the minute, in UTC."""
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}"


async def main() -> None:
    """Reads the command line and the environment, and does what they say."""
    arguments = parser().parse_args()
    connection = StoreConnection(Settings().store_url)
    try:
        await run(arguments, connection)
    except ValidationError as error:
        problem = error.errors()[0]
        sys.exit(f"safelight: {'.'.join(map(str, problem['loc']))}: {problem['msg']}")
    except SafelightError as error:
        sys.exit(f"safelight: {error.message}")
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
