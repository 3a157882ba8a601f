"""Hashes as other programs make them."""

import subprocess

import bcrypt
import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from ftps_server.hashes import matches

BCRYPT = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
ARGON2 = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
# Ulrich Drepper's test vectors for SHA-crypt.
SHA512 = {
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz"
    "1": "Hello world!",
    "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/"
    "y3RnOaw5v.": "Hello world!",
    "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p"
    "4ur1": "a very much longer text to encrypt.  This one even stretches over morethan one line.",
}


@pytest.mark.parametrize(("password_hash", "password"), SHA512.items())
def test_sha512_crypt(password_hash, password):
    assert matches(password_hash, password)
    assert not matches(password_hash, password + "!")


def test_sha512_crypt_of_another_program():
    made = subprocess.run(["openssl", "passwd", "-6", "grüße"], capture_output=True, text=True, check=True).stdout
    assert matches(made.strip(), "grüße")


@pytest.mark.parametrize("version", ["$2a$", "$2b$", "$2y$"])
def test_bcrypt(version):
    assert matches(version + BCRYPT[4:], "correct horse")
    assert not matches(version + BCRYPT[4:], "wrong")


def test_bcrypt_knows_72_bytes_of_a_password():
    long = "x" * 100
    password_hash = bcrypt.hashpw(long[:72].encode(), bcrypt.gensalt(4)).decode()
    assert matches(password_hash, long)
    assert not matches(password_hash, long[:71])


def test_argon2id():
    password_hash = ARGON2.hash("correct horse")
    assert matches(password_hash, "correct horse")
    assert not matches(password_hash, "wrong")


@pytest.mark.parametrize("make", [ARGON2.hash, lambda secret: bcrypt.hashpw(secret, bcrypt.gensalt(4)).decode()])
def test_a_password_may_be_any_bytes(make):
    assert matches(make(b"caf\xe9"), "caf\udce9")


def test_a_password_does_not_end_for_c_before_its_end():
    password_hash = next(iter(SHA512))
    assert not matches(password_hash, "Hello world!\0")
    assert not matches(password_hash, "Hello world!\0and more")


@pytest.mark.parametrize(
    "password_hash",
    [
        *("", "$", "plain", "$1$salt$hash", "\udce9"),
        *("$2b$", "$2b$99$" + "a" * 53, BCRYPT[:-1]),
        *("$6$", "$6$salt", "$6$rounds=1$salt$x", "$6$rounds=x$salt$x", "$6$sält$x", next(iter(SHA512))[:-1]),
        *("$argon2id$", "$argon2id$nonsense"),
    ],
)
def test_an_unusable_hash_matches_nothing(password_hash):
    assert not matches(password_hash, "correct horse")
    assert not matches(password_hash, "")
    assert not matches(password_hash, password_hash)


@settings(max_examples=200, deadline=None)
@given(
    prefix=st.sampled_from(["$2b$04$", "$6$", "$6$rounds=1000$", "$argon2id$v=19$m=64,t=1,p=1$"]),
    rest=st.text(),
    password=st.text(),
)
def test_whatever_a_hash_and_a_password_are_there_is_an_answer(prefix, rest, password):
    assert not matches(prefix + rest, password)


def test_a_long_password_is_answered():
    assert not matches(next(iter(SHA512)), "x" * 10_000)
