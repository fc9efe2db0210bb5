"""A server that does to us what servers do."""

import contextlib
import hashlib
import http.server
import ssl
import subprocess
import sys
import threading

BODY = bytes(range(256)) * 4000  # About a megabyte: several chunks.
SUM = hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Gives BODY, or of `files` that of the path; `plan` says what it does otherwise.

    The plan is a function for each request, which is given the request.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Request)
        self.body, self.mark, self.plan, self.asked = BODY, '"one"', [], []
        self.files = {}
        self.released = threading.Event()

    def secure(self, certificate):
        """Goes on by https, with the file of a key and a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = self.url.replace("http://", "https://")

    def handle_error(self, request, address):
        pass  # We hang up, too.


class Request(http.server.BaseHTTPRequestHandler):
    @property
    def body(self):
        return self.server.files.get(self.path, self.server.body)

    def log_message(self, *words):
        pass

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers)
        act = server.plan.pop(0) if server.plan else well
        act(self)

    def start(self, code, length=None, mark=True, **headers):
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if mark and self.server.mark:
            self.send_header("ETag", self.server.mark)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def first(self):
        """The first byte that is asked for, if this is still the same file."""
        same = self.headers.get("If-Range") in (None, self.server.mark)
        words = self.headers.get("Range", "bytes=0-")
        return int(words.removeprefix("bytes=").rstrip("-")) if same else 0

    def partial(self, first):
        total = len(self.body)
        return {"Content_Range": f"bytes {first}-{total - 1}/{total}"}


def well(request):
    body, first = request.body, request.first()
    if first and first >= len(body):
        request.start(416, 0, Content_Range=f"bytes */{len(body)}")
    elif first:
        request.start(206, len(body) - first, **request.partial(first))
        request.wfile.write(body[first:])
    else:
        request.start(200, len(body))
        request.wfile.write(body)


def drops_after(count):
    def act(request):
        body, first = request.body, request.first()
        code, more = (206, request.partial(first)) if first else (200, {})
        request.start(code, len(body) - first, **more)
        request.wfile.write(body[first : first + count])

    return act


def whole_whatever_is_asked(request):
    request.start(200, len(request.body))
    request.wfile.write(request.body)


def says(code, **headers):
    return lambda request: request.start(code, 0, mark=False, **headers)


def claims(length):
    def act(request):
        request.start(200, length)
        request.wfile.write(request.body)

    return act


def hangs(request):
    request.start(200, len(request.body))
    request.wfile.write(request.body[:1000])
    request.wfile.flush()
    request.server.released.wait()


def hangs_up(request):
    request.connection.close()


@contextlib.contextmanager
def serving():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}/model.zip"
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def serve_two_at_once(server, code, *words):
    """Runs `code` in two processes; nothing is served until both have said "ready"."""
    both = threading.Event()

    def waits(request):
        both.wait()
        well(request)

    server.plan = [waits, waits]
    command = [sys.executable, "-c", code, *map(str, words)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    assert {process.stdout.readline() for process in processes} == {b"ready\n"}
    both.set()
    for process in processes:
        process.communicate()
    assert {process.returncode for process in processes} == {0}
