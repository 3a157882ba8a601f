"""Whatever stands in a configuration file, it is read or refused by one error, which never quotes a password's hash."""

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ftps_server.config import AddressConfig, ConfigError, ServerConfig, UsersConfig, read
from fuzz.strategies import damaged

SECRET = "RoWhjxMzaZnQVpaztdT5zA"
# Too long for a name: of names it is told which stands twice.
HASHES = [
    f"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${SECRET}",
    f"$2b$12${SECRET * 3}",
    f"$6$rounds=5000$salt${SECRET * 3}",
]
FILES = {
    ServerConfig: {
        "explicit": {"enabled": True, "port": 2121},
        "implicit": {"port": 9990},
        "active": {"enabled": True},
        "proxyProtocol": {"allowedProxies": ["10.0.0.0/8", "fd00::/8"]},
        "adminPort": 8080,
        "storageDirectory": "/srv/ftps",
        "tls": {"minVersion": "1.2", "clientAuth": {"mode": "Optional", "userFrom": "EmailSAN"}},
        "limits": {"maxSessions": 10, "ban": {"failures": 3}, "bandwidth": {"upload": 1024}, "turnBytes": 65536},
        "hooks": {"url": "https://hooks.example.com/?token=x", "queueDirectory": "/queue"},
        "drainSeconds": 25,
    },
    AddressConfig: {
        "default": {"address": "ftp.example.com"},
        "overrides": [{"cidrs": ["10.0.0.0/8"], "address": "10.0.0.1"}],
    },
    UsersConfig: {
        "users": [
            {
                "name": f"user{number}",
                "passwordHash": text,
                "homeDirectory": f"/home/{number}",
                "permissions": "ReadOnly",
                "directories": [{"path": "/in", "permissions": "WriteOnly"}],
                "quota": {"bytes": 1000, "files": 10},
                "allowedCidrs": ["192.0.2.0/24"],
                "dataSessionReuse": "Required",
            }
            for number, text in enumerate(HASHES)
        ]
    },
}
WORDS = st.sampled_from(
    [*HASHES, "name", "users", "port", "/", "..", "/a\0", "10.0.0.0/8", "1.2", "Required", "\udcff"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=5
)


@st.composite
def changed(draw, value):
    """The same, with another value somewhere, a field more, or one less."""
    if not value or not isinstance(value, dict | list) or not draw(st.integers(0, 9)):
        return draw(VALUES)
    value = value.copy()
    key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    match draw(st.integers(0, 9)):
        case 0:
            del value[key]
        case 1 if isinstance(value, dict):
            value[draw(WORDS)] = value.pop(key)
        case 2 if isinstance(value, list):
            value.append(value[key])
        case _:
            value[key] = draw(changed(value[key]))
    return value


def check(model, content):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "file.json")
        path.write_bytes(content)
        error = refusal(model, path)
    if error is not None:
        assert str(error).startswith(f"{path}: ")
        assert SECRET not in str(error)
        assert error.__suppress_context__  # a traceback would show what pydantic was given


def refusal(model, path):
    try:
        assert isinstance(read(model, path), model)
    except ConfigError as error:
        return error
    return None


@settings(max_examples=600, deadline=None)
@given(st.data(), st.sampled_from(list(FILES)))
def test_a_changed_document_is_read_or_refused(data, model):
    content = FILES[model]
    for _ in range(data.draw(st.integers(1, 3))):
        content = data.draw(changed(content))
    check(model, json.dumps(content).encode())


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(list(FILES)))
def test_a_damaged_file_is_read_or_refused(data, model):
    check(model, data.draw(damaged(st.just(json.dumps(FILES[model]).encode()))))


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200) | st.integers(1, 100_000).map(lambda depth: b'{"users":[' * depth),
    st.sampled_from(list(FILES)),
)
def test_noise_is_refused(content, model):
    check(model, content)
