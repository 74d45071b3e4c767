"""A daemon that does not notice when its control socket is removed, and ends on SIGTERM only.

Arguments: the directory of its socket, the interface, and perhaps "handed-over": then who makes the
socket and who has the interface open are two processes, as with WG_UAPI_FD. It answers everything
with an empty status. SIGTERM ends it with 0; where the socket was handed over, its maker ends with
3 then, and takes the other along.
"""

import fcntl
import os
import signal
import socket
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def open_tun(interface: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", interface.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def end_with(status: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(status))


def serve(listening: socket.socket) -> None:
    while True:
        connection, _ = listening.accept()
        with connection:
            if connection.recv(4096):
                connection.sendall(b"errno=0\n\n")


def main() -> None:
    directory, interface, *how = sys.argv[1:]
    end_with(0)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{directory}/new")
        listening.listen()
        child = os.fork() if how == ["handed-over"] else None
        if child:
            end_with(3)
            try:
                signal.pause()
            finally:
                os.kill(child, signal.SIGTERM)
                os.waitpid(child, 0)
        open_tun(interface)
        os.rename(f"{directory}/new", f"{directory}/{interface}.sock")  # it is there: it answers
        serve(listening)


if __name__ == "__main__":
    main()
