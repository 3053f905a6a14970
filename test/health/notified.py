"""Stands for systemd: binds the datagram socket named in argv[1] ('@': abstract) and prints each message as one JSON line."""
import json
import socket
import sys

name = sys.argv[1]
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind("\0" + name[1:] if name[0] == "@" else name)
print(json.dumps("bound"), flush=True)
while True:
    print(json.dumps(server.recv(65536).decode()), flush=True)
