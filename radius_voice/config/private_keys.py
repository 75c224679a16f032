"""Secrets that are RSA private keys in PEM."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import SecretStr

from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import FieldType, require_text
from radius_voice.config.secrets import SHAPE, secret_from_source

MIN_BITS = 2048
"""RFC 7518 section 3.3: RS256 requires a key of this size or larger."""

FIX = "write {file: PATH} with the key file of the provider, unchanged"


def _private_key(value: Any, context: LoadContext) -> SecretStr:
    if isinstance(value, dict):
        return secret_from_source(value, context, _checked)
    text = _checked(require_text(value), "the text")
    context.holds_secret = True
    return SecretStr(text)


def _checked(text: str, source: str) -> str:
    """The text; raises ValueError if it is not an RSA private key in PEM, or one that cannot sign."""
    # needed by few configurations
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(text.encode(), None)
    except TypeError:
        raise ValueError(f"{source} is encrypted with a passphrase; store the key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{source} is not a private key in PEM; {FIX}") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError(f"{source} is not an RSA key; {FIX}")  # noqa: TRY004 - the text is wrong, and not its type
    if key.key_size < MIN_BITS:
        raise ValueError(f"{source} has {key.key_size} bits, and at least {MIN_BITS} are required; create a new key")
    return text


PrivateKey: TypeAlias = Annotated[SecretStr, FieldType(_private_key, SHAPE)]
"""An RSA private key in PEM, or where to read it, like a `Secret`."""
