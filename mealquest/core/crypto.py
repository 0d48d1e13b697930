"""Encryption with rotating keys, and keyed hashes for looking up what is stored encrypted."""

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """The key is not on the ring, or the text was made for another place or tampered with."""


class Keyring:
    """AES-256-GCM under named keys: the first one encrypts, all of them decrypt.

    A token reads `id:base64(nonce + ciphertext)`. `place` (for instance `staff.phone:m_1`) is
    authenticated with it, so a token copied to another row or column does not open there.
    """

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._keys = keys
        self._current = next(iter(keys))

    @property
    def current(self) -> str:
        """The id of the key that encrypts now."""
        return self._current

    def encrypt(self, text: str, *, place: str) -> str:
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self._keys[self._current]).encrypt(nonce, text.encode(), place.encode())
        return f"{self._current}:{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, token: str, *, place: str) -> str:
        key_id, _, encoded = token.partition(":")
        if key_id not in self._keys:
            raise CannotDecrypt(f"no key {key_id!r} on the ring")
        raw = base64.b64decode(encoded)
        try:
            plain = AESGCM(self._keys[key_id]).decrypt(
                raw[:NONCE_BYTES], raw[NONCE_BYTES:], place.encode()
            )
        except InvalidTag as broken:
            raise CannotDecrypt(f"not encrypted for {place!r}") from broken
        return plain.decode()

    def encrypt_bytes(self, raw: bytes, *, place: str) -> bytes:
        """As `encrypt`, for what is no text: nonce and ciphertext, without the key's name."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._keys[self._current]).encrypt(nonce, raw, place.encode())

    def decrypt_bytes(self, sealed: bytes, *, place: str) -> bytes:
        """Under the current key alone, for rings that have one."""
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return AESGCM(self._keys[self._current]).decrypt(nonce, rest, place.encode())
        except InvalidTag as broken:
            raise CannotDecrypt(f"not encrypted for {place!r}") from broken

    def is_current(self, token: str) -> bool:
        """False: written under an older key, to be encrypted again."""
        return token.startswith(f"{self._current}:")


def derive_key(secret: str, purpose: str) -> bytes:
    """A 32-byte key for one purpose, so that one secret never serves two."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(
        secret.encode()
    )


def keyed_hash(key: bytes, text: str) -> str:
    return signature(key, text.encode())


def signature(key: bytes, body: bytes) -> str:
    """Lower-case hex HMAC-SHA256 over exactly these bytes."""
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def same(left: str, right: str) -> bool:
    """Constant-time comparison of two secrets."""
    return hmac.compare_digest(left.encode(), right.encode())
