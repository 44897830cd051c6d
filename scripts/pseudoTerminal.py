# Runs a command in a pseudo-terminal: python3 pseudoTerminal.py COLUMNS ROWS COMMAND ARGS...
#
# What the command prints goes to stdout. Lines of stdin are orders: "resize 60 24", "signal TERM", "key 3" (a byte, here
# Ctrl-C), "hangup" (the terminal is closed). stderr gets a JSON line when the command begins, and one at its end: exit code (128 + a signal's number),
# and whether the terminal's settings are what they were.
import fcntl, json, os, pty, select, signal, struct, sys, termios


def resize(columns, rows):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


columns, rows = int(sys.argv[1]), int(sys.argv[2])
begun, beginning = os.pipe()  # closed by exec
pid, master = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execvp(sys.argv[3], sys.argv[3:])
# What is typed before the command has begun is lost.
os.close(beginning)
os.read(begun, 1)
print(json.dumps({"begun": True}), file=sys.stderr, flush=True)
before = termios.tcgetattr(master)
after = before
sources = [master, 0]
pending = b""
while master in sources:
    ready, _, _ = select.select(sources, [], [])
    if master in ready:
        try:
            data = os.read(master, 65536)
        except OSError:
            data = b""
        if data:
            after = termios.tcgetattr(master)
            os.write(1, data)
        else:
            sources.remove(master)
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            sources.remove(0)
        pending += data
        *orders, pending = pending.split(b"\n")
        for order in orders:
            name, *values = order.decode().split()
            if name == "resize":
                resize(int(values[0]), int(values[1]))
            elif name == "signal":
                os.kill(pid, getattr(signal, "SIG" + values[0]))
            elif name == "key":
                os.write(master, bytes([int(values[0])]))
            elif name == "hangup":
                os.close(master)
                sources.remove(master)
_, status = os.waitpid(pid, 0)
code = os.waitstatus_to_exitcode(status)
print(json.dumps({"code": code if code >= 0 else 128 - code, "sameSettings": after == before}), file=sys.stderr)
