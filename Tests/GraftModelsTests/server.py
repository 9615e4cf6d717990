"""A server for the tests of pulling models: server.py LOG.

Prints its port, and serves until its input ends.

/file          FILE_SIZE bytes, with Range and If-Range
/cut/N         the same, but a response ends after N bytes, without a word
/no-range      the same, without Range
/new-version   the same; each request sees another ETag
/redirect      leads to /file
/elsewhere     leads to an ftp address
/busy          status 503 twice, then the file
/short         a file of another length
What follows a "?" only keeps requests apart. LOG gets the path and the Range header of each.
"""

import http.server
import os
import random
import sys
import threading

FILE_SIZE = 300_000
CONTENT = random.Random(7).randbytes(FILE_SIZE)
log = open(sys.argv[1], "w")
counts = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        path = self.path
        print(path, self.headers.get("Range", "-"), file=log, flush=True)
        counts[path] = counts.get(path, 0) + 1
        kind, _, limit = path.split("?")[0].removeprefix("/").partition("/")
        if kind == "redirect":
            return self.reply(302, b"", {"Location": "/file"})
        if kind == "elsewhere":
            return self.reply(302, b"", {"Location": "ftp://127.0.0.1/file"})
        if kind == "busy" and counts[path] <= 2:
            return self.reply(503, b"later")
        if kind == "short":
            return self.reply(200, CONTENT[:1000])
        if kind not in ("file", "cut", "no-range", "new-version", "busy"):
            return self.reply(404, b"nothing here")
        tag = f'"v{counts[path]}"' if kind == "new-version" else '"v1"'
        start = 0
        wanted = self.headers.get("Range")
        same = self.headers.get("If-Range", tag) == tag
        if wanted and same and kind != "no-range":
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= FILE_SIZE:
                return self.reply(416, b"", {"Content-Range": f"bytes */{FILE_SIZE}"})
        headers = {"ETag": tag}
        if start:
            headers["Content-Range"] = f"bytes {start}-{FILE_SIZE - 1}/{FILE_SIZE}"
        self.reply(206 if start else 200, CONTENT[start:], headers, int(limit) if limit else None)

    def reply(self, status, body, headers={}, limit=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:limit])
        if limit is not None and limit < len(body):
            self.wfile.flush()
            self.close_connection = True


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
os.remove(sys.argv[1])
os.rmdir(os.path.dirname(sys.argv[1]))
