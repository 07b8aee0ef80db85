"""What stands between a client and an S3 server: a recorder of requests, tinyproxy, a TLS listener; and certificates."""
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

from flaky import Flaky
from servers import die_with_parent, free_ports


class Recorder(Flaky):
    """Passes everything on as it is, and keeps the head of each request: (method, path, {lower-case name: value})."""

    def __init__(self, port):
        super().__init__(port, refuse_every=1 << 60, cut_every=1 << 60)
        self.requests = []

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def _head(self, f):
        head, headers, first = Flaky._head(f)
        if first and not first[0].startswith(b"HTTP/"):
            text = {k.decode(): v.decode(errors="replace") for k, v in headers.items()}
            self.requests.append((first[0].decode(), first[1].decode(), text))
        return head, headers, first

    def of(self, method, path_part=""):
        return [headers for m, path, headers in self.requests if m == method and path_part in path]


class Tinyproxy:
    """A real proxy that asks for a name and a password."""

    user, password = "prox", "y-Pass"

    def __init__(self, folder, auth=True):
        self.folder, self.auth, self.port = Path(folder), auth, free_ports(1)[0]
        self.log = self.folder / "tinyproxy.log"

    def __enter__(self):
        conf = self.folder / "tinyproxy.conf"
        conf.write_text(f"Port {self.port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nLogFile \"{self.log}\"\n"
                        f"LogLevel Connect\nAllow 127.0.0.1\n"
                        + (f"BasicAuth {self.user} {self.password}\n" if self.auth else ""))
        self.process = subprocess.Popen(["/usr/bin/tinyproxy", "-d", "-c", conf], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None, "tinyproxy does not start"
                time.sleep(0.05)

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()

    def requests(self):
        """The lines of its log about requests: `CONNECT 127.0.0.1:7070` or `GET http://127.0.0.1:7070/b`."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [line.split("): ", 1)[1] for line in lines if "Request (file descriptor" in line]


class TlsListener:
    """Takes TLS and passes what is inside on to a port: what makes a proxy an https proxy."""

    def __init__(self, target, cert, key):
        self.target = target
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        try:
            inside = self.context.wrap_socket(raw, server_side=True)
            outside = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            raw.close()
            return
        for a, b in ((inside, outside), (outside, inside)):
            threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    @staticmethod
    def _pass(source, sink):
        try:
            while block := source.recv(1 << 16):
                sink.sendall(block)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Authority:
    """A private certificate authority in a folder, and a server certificate of it for 127.0.0.1 and localhost."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.cert, self.key = (self.folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
        ca_key, request, extensions = (self.folder / name for name in ("ca.key", "request.pem", "extensions"))
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self._run(*new, "-x509", "-days", "2", "-subj", "/CN=s3shim test authority", "-keyout", ca_key, "-out", self.ca)
        self._run(*new, "-subj", "/CN=127.0.0.1", "-keyout", self.key, "-out", request)
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:*.localhost\n")
        self._run("openssl", "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2",
                  "-extfile", extensions, "-out", self.cert)

    def hashed_folder(self):
        """A folder as caPath wants it."""
        folder = self.folder / "hashed"
        folder.mkdir(exist_ok=True)
        (folder / "ca.pem").write_bytes(self.ca.read_bytes())
        self._run("openssl", "rehash", folder)
        return folder

    @staticmethod
    def _run(*argv):
        subprocess.run([str(a) for a in argv], check=True, capture_output=True)
