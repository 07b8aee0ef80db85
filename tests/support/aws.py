"""A stand-in for the AWS services that give keys: STS, a container's credential service, an instance's metadata.

    with Aws(keys) as aws:          # keys: (id, secret, token) that it gives, or a function that returns them
        aws.url                     # http://127.0.0.1:port
        aws.seen                    # what was asked, in order: "AssumeRole role/x", "PUT /latest/api/token", ...

It answers as the real ones do and refuses what they refuse: a signature is computed again by botocore, a token of the
metadata service is asked for by PUT and sent back, an authorization header must be the one of the token's file.
"""
import http.server
import json
import threading
import time
import urllib.parse
from datetime import datetime, timezone

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

IMDS_TOKEN = "AQAEA-token-of-the-instance=="
ROLE = "role-of-the-instance"


def iso(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Aws:
    def __init__(self, keys, life=3600, base=None, region="us-east-1"):
        self._keys, self.life, self.base, self.region = keys, life, base or {}, region
        self.seen, self.faults, self.down, self.delay = [], [], False, 0
        self.authorization = None  # what the container's service wants
        self.web_token = None      # what AssumeRoleWithWebIdentity wants
        self.external_id = None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                time.sleep(outer.delay)
                status, kind, answer = (503, "text/plain", "down") if outer.down else outer.answer(
                    self.command, self.path, self.headers, body.decode())
                data = answer.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = handle_any

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._server.server_close()

    def keys(self):
        return self._keys() if callable(self._keys) else self._keys

    # Answers: (status, content type, text)

    def answer(self, method, path, headers, body):
        if path == "/" and method == "POST":
            return self.sts(headers, dict(urllib.parse.parse_qsl(body, strict_parsing=True)), body)
        self.seen.append(f"{method} {path}")
        if path.startswith("/latest/"):
            return self.instance(method, path, headers)
        if self.authorization and headers.get("Authorization") != self.authorization:
            return 403, "application/json", '{"code":"AccessDenied","message":"no authorization"}'
        return self.as_json("Token")

    def as_json(self, token_name, **more):
        key_id, secret, token = self.keys()
        return 200, "application/json", json.dumps({
            **more, "AccessKeyId": key_id, "SecretAccessKey": secret, token_name: token,
            "Expiration": iso(time.time() + self.life)})

    def instance(self, method, path, headers):
        if path == "/latest/api/token":
            if method != "PUT" or headers.get("x-aws-ec2-metadata-token-ttl-seconds") != "21600":
                return 400, "text/plain", "bad request"
            return 200, "text/plain", IMDS_TOKEN
        if headers.get("x-aws-ec2-metadata-token") != IMDS_TOKEN:
            return 401, "text/plain", "unauthorized"
        if path == "/latest/meta-data/iam/security-credentials/":
            return 200, "text/plain", ROLE
        if path == f"/latest/meta-data/iam/security-credentials/{ROLE}":
            return self.as_json("Token", Code="Success", Type="AWS-HMAC")
        return 404, "text/plain", "not found"

    def sts(self, headers, form, body):
        self.seen.append(f"{form.get('Action')} {form.get('RoleArn', '').partition(':role/')[2]}")
        fault = self.check(headers, form, body)
        if fault:
            self.faults.append(fault)
            return 403, "text/xml", (
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>"
                f"<Code>AccessDenied</Code><Message>{fault}</Message></Error><RequestId>R-77</RequestId></ErrorResponse>")
        key_id, secret, token = self.keys()
        action = form["Action"]
        return 200, "text/xml", (
            f"<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><AssumedRoleUser>"
            f"<Arn>{form['RoleArn']}/{form['RoleSessionName']}</Arn></AssumedRoleUser><Credentials>"
            f"<AccessKeyId>{key_id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
            f"<SessionToken>{token}</SessionToken><Expiration>{iso(time.time() + self.life)}</Expiration>"
            f"</Credentials></{action}Result></{action}Response>")

    def check(self, headers, form, body):
        """Why STS would refuse it, None if it would not."""
        if form.get("Version") != "2011-06-15" or not form.get("RoleArn", "").startswith("arn:aws:iam::"):
            return "malformed"
        if form["Action"] == "AssumeRoleWithWebIdentity":
            if "Authorization" in headers:
                return "web identity is not signed"
            return None if form.get("WebIdentityToken") == self.web_token else "invalid identity token"
        if self.external_id != form.get("ExternalId"):
            return "the external id is wrong"
        return self.check_signature(headers, body)

    def check_signature(self, headers, body):
        sent = headers.get("Authorization", "")
        key_id = sent.partition("Credential=")[2].partition("/")[0]
        if key_id not in self.base:
            return f"unknown key {key_id}"
        secret, token = self.base[key_id]
        if headers.get("x-amz-security-token") != token:
            return "another session token than that of the key"
        signed = sent.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        request = AWSRequest("POST", f"http://{headers['Host']}/", data=body, headers={k: headers[k] for k in signed})
        auth = SigV4Auth(Credentials(key_id, secret), "sts", self.region)
        request.context["timestamp"] = headers["x-amz-date"]
        text = auth.string_to_sign(request, auth.canonical_request(request))
        ours = auth.signature(text, request)
        return None if sent.endswith(f"Signature={ours}") and "x-amz-date" in signed else "SignatureDoesNotMatch"
