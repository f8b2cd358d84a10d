"""An OpenID Connect issuer on a local port, which can misbehave, and tokens of any kind."""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "shop"
RSA_KEY = rsa.generate_private_key(65537, 2048)
ROGUE_KEY = rsa.generate_private_key(65537, 2048)
WEAK_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505  # it must be rejected
CURVE_KEY = ec.generate_private_key(ec.SECP256R1())

#: Writes a response: the handler has the request.
Respond = Callable[[BaseHTTPRequestHandler], None]


def public(key: Any, key_id: str | None = None, **members: Any) -> dict[str, Any]:
    """Return the public part of a key as a JSON Web Key."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    found: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return found | ({"kid": key_id} if key_id else {}) | members


class LocalIssuer:
    """The issuer. It serves its keys, and counts the requests for them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys = [public(RSA_KEY, "rsa"), public(CURVE_KEY, "curve")]
        self.metadata = {"issuer": url, "jwks_uri": f"{url}/keys"}
        self.requests: list[str] = []
        #: Replaces the responses of some paths.
        self.responses: dict[str, Respond] = {}

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(handler.path)
        if handler.path in self.responses:
            self.responses[handler.path](handler)
        elif handler.path == "/keys":
            send(handler, {"keys": self.keys})
        elif handler.path == "/.well-known/openid-configuration":
            send(handler, self.metadata)
        else:
            handler.send_error(404)

    @property
    def fetches(self) -> int:
        """The number of requests for the keys."""
        return self.requests.count("/keys")

    def sign(
        self,
        *scopes: str,
        key: Any = RSA_KEY,
        algorithm: str = "RS256",
        without: str = "",
        headers: dict[str, Any] | None = None,
        seconds: dict[str, int] | None = None,
        **claims: Any,
    ) -> str:
        """Sign a token. It is valid unless an argument says otherwise.

        Args:
            scopes: the scopes.
            key: the private key.
            algorithm: the algorithm of the signature.
            without: a claim to leave out.
            headers: further headers.
            seconds: claims that are times, in seconds from now.
            claims: further claims.
        """
        times = {name: int(time.time()) + offset for name, offset in (seconds or {}).items()}
        given = self.claims(*scopes) | claims | times
        given.pop(without, None)
        usual = {"kid": "rsa", "typ": "at+jwt"}
        return jwt.encode(given, key, algorithm, headers=usual | (headers or {}))

    def claims(self, *scopes: str) -> dict[str, Any]:
        """Return the claims of a valid token."""
        now = int(time.time())
        return {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ada",
            "iat": now,
            "exp": now + 60,
            "scope": " ".join(scopes),
        }


def send(handler: BaseHTTPRequestHandler, body: Any, status: int = 200, **headers: str) -> None:
    """Send JSON, or bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    # The service hangs up on a document that is too large.
    with contextlib.suppress(ConnectionError):
        handler.wfile.write(content)


@contextlib.contextmanager
def serving_issuer() -> Iterator[LocalIssuer]:
    """Serve an issuer on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.respond(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer = LocalIssuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def encode(part: Any) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def sign_with_public_key(claims: dict[str, Any]) -> str:
    """Sign with HMAC, and with the issuer's public key as the secret."""
    secret = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{encode({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa'})}.{encode(claims)}"
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def without_signature(claims: dict[str, Any], algorithm: str) -> str:
    return f"{encode({'alg': algorithm, 'typ': 'JWT', 'kid': 'rsa'})}.{encode(claims)}."
