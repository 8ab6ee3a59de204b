"""Secret: what the hidden part of challenge kits derives from. May import bench.errors and bench.results."""

import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageProblem
from bench.results import Check

SECRET_VARIABLE = "BENCH_SECRET"  # noqa: S105 (the name of a variable)
"""Environment variable that names the file of the secret; without it the challenge is open."""

MINIMUM_BYTES = 16

_OPEN = b"open challenge"


@dataclass(frozen=True)
class Secret:
    """A key for seeds. opened: it is the published default, so nothing derived from it is hidden."""

    key: bytes
    opened: bool

    @property
    def commitment(self) -> str:
        """Digest that names the secret without giving it away."""
        return f"sha256:{hashlib.sha256(b'commitment' + self.key).hexdigest()}"

    def seed(self, *parts: object) -> int:
        """Return a seed below 2**63 for one purpose; without the key it cannot be computed."""
        text = "/".join(map(str, parts)).encode()
        return int.from_bytes(hmac.new(self.key, text, hashlib.sha256).digest()[:8], "big") >> 1

    def code(self, message: bytes) -> str:
        """Return the code of a message, hex; without the key it cannot be computed."""
        return hmac.new(self.key, b"code" + message, hashlib.sha256).hexdigest()

    def fits(self, code: str, message: bytes) -> bool:
        """Say whether a code is that of a message."""
        return hmac.compare_digest(code.encode(), self.code(message).encode())


def open_secret() -> Secret:
    """Return the published default, from which open challenges derive."""
    return Secret(hashlib.sha256(_OPEN).digest(), opened=True)


def read_secret() -> Secret:
    """Return the secret that $BENCH_SECRET names, or the open default.

    Raises UsageProblem where the file is not there or too short to be one.
    """
    name = os.environ.get(SECRET_VARIABLE)
    if not name:
        return open_secret()
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        raise UsageProblem(f"{SECRET_VARIABLE}={name}: {error.strerror}") from error
    if len(content.strip()) < MINIMUM_BYTES:
        raise UsageProblem(
            f"{name}: a secret has at least {MINIMUM_BYTES} bytes; `head -c 32 /dev/urandom > FILE` makes one"
        )
    return Secret(hashlib.sha256(content).digest(), opened=False)


def challenge_check(secret: Secret) -> Check:
    """Return what a result says about the secrecy of its kits."""
    if secret.opened:
        detail = "noise and targets derive from the published default seed: whoever knows it could tune against them"
        return Check(id="challenge", status="warn", measured="open challenge", detail=detail)
    return hidden_check(secret.commitment)


def hidden_check(commitment: str) -> Check:
    """Return what a result says whose kits derive from a secret file, by the commitment to it."""
    detail = "noise and targets derive from a secret file"
    return Check(id="challenge", status="pass", measured=commitment[:23], detail=detail)
