"""A daemon that does not notice when its control socket is removed, and ends on SIGTERM only.

Arguments: the directory of its socket, the interface. It answers everything with an empty status.
"""

import os
import signal
import socket
import subprocess
import sys


def main() -> None:
    directory, interface = sys.argv[1:]
    subprocess.run(["ip", "tuntap", "add", interface, "mode", "tun"], check=True)

    def end(*_):
        subprocess.run(["ip", "link", "delete", interface], check=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{directory}/new")
        listening.listen()
        os.rename(f"{directory}/new", f"{directory}/{interface}.sock")  # it is there: it answers
        while True:
            connection, _ = listening.accept()
            with connection:
                if connection.recv(4096):
                    connection.sendall(b"errno=0\n\n")


if __name__ == "__main__":
    main()
