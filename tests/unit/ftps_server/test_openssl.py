"""What lies behind the standard library's objects."""

import ctypes
import ssl

from ftps_server import openssl


def test_a_function_is_called_on_the_object_that_is_meant():
    tickets = openssl.function("SSL_get_num_tickets", ctypes.c_size_t, ctypes.c_void_p)
    assert tickets is not None
    for count in (0, 2, 5):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = count
        assert tickets(openssl.pointer(context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True))) == count


def test_a_function_that_does_not_exist_cannot_be_had():
    assert openssl.function("SSL_do_what_nobody_does", None) is None


def test_an_unknown_layout_is_left_alone(monkeypatch):
    monkeypatch.setattr(openssl, "_LAYOUT_KNOWN", False)
    assert openssl._load() is None
    monkeypatch.setattr(openssl, "_library", None)
    assert openssl.function("SSL_get_num_tickets", ctypes.c_size_t, ctypes.c_void_p) is None
