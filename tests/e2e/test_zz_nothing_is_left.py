"""Runs last: the tests before have removed all they made."""

from lab import Lab, leftovers


def test_no_namespace_socket_interface_or_process_is_left():
    assert Lab.open_labs == []
    assert leftovers() == []
