import base64

import pytest

from mealquest.core.crypto import CannotDecrypt, Keyring, derive_key, keyed_hash, same

OLD, NEW = b"o" * 32, b"n" * 32


def test_a_text_comes_back_from_its_own_place_only():
    ring = Keyring({"k1": OLD})
    token = ring.encrypt("+8613900000001", place="staff.phone:m_a")

    assert ring.decrypt(token, place="staff.phone:m_a") == "+8613900000001"
    with pytest.raises(CannotDecrypt):
        ring.decrypt(token, place="staff.phone:m_b")


def test_equal_texts_do_not_look_equal():
    ring = Keyring({"k1": OLD})
    assert ring.encrypt("same", place="p") != ring.encrypt("same", place="p")


def test_the_text_is_not_in_the_token():
    token = Keyring({"k1": OLD}).encrypt("secret-text", place="p")
    assert b"secret" not in base64.b64decode(token.partition(":")[2])


def test_after_a_rotation_the_first_key_writes_and_all_keys_read():
    before = Keyring({"k1": OLD}).encrypt("text", place="p")
    rotated = Keyring({"k2": NEW, "k1": OLD})
    after = rotated.encrypt("text", place="p")

    assert rotated.decrypt(before, place="p") == rotated.decrypt(after, place="p") == "text"
    assert not rotated.is_current(before)
    assert rotated.is_current(after)
    with pytest.raises(CannotDecrypt, match="k2"):
        Keyring({"k1": OLD}).decrypt(after, place="p")


def test_a_changed_token_is_refused():
    ring = Keyring({"k1": OLD})
    key_id, _, encoded = ring.encrypt("text", place="p").partition(":")
    raw = bytearray(base64.b64decode(encoded))
    raw[-1] ^= 1
    with pytest.raises(CannotDecrypt):
        ring.decrypt(f"{key_id}:{base64.b64encode(bytes(raw)).decode()}", place="p")


def test_one_secret_gives_a_key_for_each_purpose():
    assert derive_key("secret", "cookies") == derive_key("secret", "cookies")
    assert derive_key("secret", "cookies") != derive_key("secret", "tracking")
    assert len(derive_key("secret", "cookies")) == 32


def test_a_keyed_hash_needs_the_key():
    assert keyed_hash(OLD, "8613900000001") == keyed_hash(OLD, "8613900000001")
    assert keyed_hash(OLD, "8613900000001") != keyed_hash(NEW, "8613900000001")
    assert keyed_hash(OLD, "8613900000001") != keyed_hash(OLD, "8613900000002")


def test_secrets_of_any_alphabet_can_be_compared():
    assert same("пароль", "пароль")
    assert not same("пароль", "parol")
