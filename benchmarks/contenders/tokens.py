"""Write an issuer's keys to a file, and print a token for each kind of key: `tokens.py FILE`."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

KEYS: dict[str, tuple[Any, Any]] = {
    "RS256": (rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "ES256": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
}

if __name__ == "__main__":
    sets = [
        kind.to_jwk(key.public_key(), as_dict=True) | {"kid": name}
        for name, (key, kind) in KEYS.items()
    ]
    Path(sys.argv[1]).write_text(json.dumps({"keys": sets}), encoding="utf-8")
    claims = {
        "iss": "http://localhost",
        "aud": "bench",
        "sub": "bench",
        "exp": int(time.time()) + 24 * 60 * 60,
        "scope": "examples:read examples:write orders:read orders:write",
    }
    tokens = {
        name: jwt.encode(claims, key, name, {"kid": name, "typ": "at+jwt"})
        for name, (key, _) in KEYS.items()
    }
    print(json.dumps(tokens))
