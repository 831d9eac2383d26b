#!/usr/bin/env python3
"""Checks what Baycase signs with implementations that are not ours, and signs requests for it.

Without options, reads requests as JSON lines from standard input and prints for each a line `OK` or `REFUSED: why`;
ends with status 1 when one was refused.

    {"method", "url", "headers": {name: value}, "body": text, "public_key_raw_base64"}

With `--sign SEED --key-id ID`, reads requests without a signature and prints them with one, in the same form, so that
the output may be piped into a second run. SEED is the 32 bytes of an Ed25519 seed in base64. A request may fix its
`nonce`, `created` and `expires` (seconds since 1970).

A body that is no text comes and goes as `body_base64`. `--now SECONDS` puts the clock.

With `--jws`, reads stored messages or receipts with their detached JWS, and answers as for requests:

    {"text", "jws", "key": its id, "public_key_raw_base64"}

The profile: label `baycase`, tag `baycase-partner`; covered are `@method`, `@target-uri`, `content-digest`, and with a
body `content-type`, in this order; parameters `created`, `expires`, `nonce`, `keyid`, `alg` and `tag`. The body of a
request without one is that of no bytes, and its digest is signed as well.

Needs the package `http-message-signatures`, of version 1, 2 or 3, and `cryptography`, which comes with it.
"""

import argparse
import base64
import datetime
import hashlib
import inspect
import json
import re
import secrets
import sys
import time

import cryptography.exceptions
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from http_message_signatures.structures import CaseInsensitiveDict

LABEL = "baycase"
TAG = "baycase-partner"
PARAMETERS = {"created", "expires", "nonce", "keyid", "alg", "tag"}
LIFE_SECONDS = 120
LIFE_SECONDS_MAX = 300
SKEW_SECONDS = 30


class Refused(Exception):
    """Something signed that does not fit the profile."""


class Message:
    """What the library wants of a request."""

    def __init__(self, method, url, headers):
        self.method = method
        self.url = url
        self.headers = CaseInsensitiveDict(headers)


class OneKey(HTTPSignatureKeyResolver):
    """The one key that the caller says is the right one, under whatever name."""

    def __init__(self, key):
        self.key = key

    def resolve_public_key(self, key_id):
        return self.key

    def resolve_private_key(self, key_id):
        return self.key


class Verifier(HTTPMessageVerifier):
    """The library's, with the times of the profile and a clock that can be put."""

    now = None

    def validate_created_and_expires(self, sig_input, max_age=None):
        now = time.time() if self.now is None else self.now
        created, expires = sig_input.params.get("created"), sig_input.params.get("expires")
        if type(created) is not int or type(expires) is not int:
            raise InvalidSignature("created and expires must be whole numbers")
        if not 0 < expires - created <= LIFE_SECONDS_MAX:
            raise InvalidSignature("its life is not one of the profile")
        if created - now > SKEW_SECONDS:
            raise InvalidSignature("it was made in the future")
        if expires < now:
            raise InvalidSignature("it has expired")


def body_of(request):
    """The bytes of a request's body; none when it has none."""
    if request.get("body_base64") is not None:
        return base64.b64decode(request["body_base64"], validate=True)
    return (request.get("body") or "").encode()


def content_digest(body):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"


def components(body):
    always = ("@method", "@target-uri", "content-digest")
    return always + ("content-type",) if body else always


def verify(request, now):
    """Returns when the request is signed as the profile says, with the key that is given with it."""
    raw = base64.b64decode(request["public_key_raw_base64"], validate=True)
    message = Message(request["method"], request["url"], request.get("headers") or {})
    if "signature" not in message.headers or "signature-input" not in message.headers:
        raise Refused("it is not signed")
    body = body_of(request)
    verifier = Verifier(
        signature_algorithm=algorithms.ED25519, key_resolver=OneKey(Ed25519PublicKey.from_public_bytes(raw))
    )
    verifier.now = now
    # Later versions pick a signature by its tag; the first verify all there are.
    known = inspect.signature(verifier.verify).parameters
    options = {"expect_tag": TAG} if "expect_tag" in known else {}
    results = [result for result in verifier.verify(message, **options) if result.label == LABEL]
    if len(results) != 1:
        raise Refused(f"it has {len(results)} signatures with the label {LABEL}")
    (result,) = results

    covered = [name for name in result.covered_components if name != '"@signature-params"']
    expected = [f'"{name}"' for name in components(body)]
    if covered != expected:
        raise Refused(f"it covers {' '.join(covered)} and not {' '.join(expected)}")
    given = dict(result.parameters)
    if set(given) != PARAMETERS:
        raise Refused(f"its parameters are {' '.join(sorted(given))}")
    if given["tag"] != TAG or given["alg"] != "ed25519" or len(given["nonce"]) < 16:
        raise Refused("its tag, algorithm or nonce is not one of the profile")
    if message.headers["content-digest"] != content_digest(body):
        raise Refused("its body is not the one that was signed")


def base64url(text):
    """The bytes of a part of a JWS. Python's own reader takes padding, other characters and stray bits as well."""
    if not re.fullmatch("[A-Za-z0-9_-]*", text):
        raise Refused("a part of the JWS is not base64url")
    read = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(read).decode().rstrip("=") != text:
        raise Refused("a part of the JWS has stray bits")
    return read


def verify_jws(stored):
    """Returns when the detached JWS (RFC 7515 appendix F) is that of the key over the text as it is (RFC 7797)."""
    parts = stored["jws"].split(".")
    if len(parts) != 3 or parts[1]:
        raise Refused("the JWS is not a header, nothing, and a signature")
    protected, _, signature = parts
    header = json.loads(base64url(protected))
    expected = {"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": stored["key"]}
    # As text: Python holds 0 and false for equal.
    if json.dumps(header, sort_keys=True) != json.dumps(expected, sort_keys=True):
        raise Refused(f"the header of the JWS is {json.dumps(header)}")
    # RFC 7797 section 3: the header in base64url, a full stop, and the payload, not encoded.
    signed = protected.encode() + b"." + stored["text"].encode()
    raw = base64.b64decode(stored["public_key_raw_base64"], validate=True)
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(base64url(signature), signed)
    except cryptography.exceptions.InvalidSignature:
        raise Refused("the signature does not hold") from None


def sign(request, seed, key_id, now):
    """The request with the headers of its signature, and the public key to check it with."""
    body = body_of(request)
    key = Ed25519PrivateKey.from_private_bytes(seed)
    headers = dict(request.get("headers") or {})
    headers["content-digest"] = content_digest(body)
    if body and not any(name.lower() == "content-type" for name in headers):
        headers["content-type"] = "application/json"
    message = Message(request["method"], request["url"], headers)
    created = int(request.get("created", time.time() if now is None else now))
    expires = int(request.get("expires", created + LIFE_SECONDS))
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=OneKey(key))
    # Version 3 wants to be told that the digest is there already.
    known = inspect.signature(signer.sign).parameters
    options = {"use_existing_digest": True} if "use_existing_digest" in known else {}
    signer.sign(
        message,
        key_id=key_id,
        label=LABEL,
        tag=TAG,
        created=datetime.datetime.fromtimestamp(created, datetime.timezone.utc),
        expires=datetime.datetime.fromtimestamp(expires, datetime.timezone.utc),
        nonce=request.get("nonce") or secrets.token_urlsafe(16),
        include_alg=True,
        covered_component_ids=components(body),
        **options,
    )
    signed = {key: request[key] for key in ("method", "url", "body", "body_base64") if key in request}
    signed["headers"] = {name.lower(): value for name, value in message.headers.items()}
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signed["public_key_raw_base64"] = base64.b64encode(public).decode()
    return signed


def main():
    options = argparse.ArgumentParser(description="Checks or makes signatures of councils, as JSON lines.")
    modes = options.add_mutually_exclusive_group()
    modes.add_argument("--sign", metavar="SEED", help="sign requests with this Ed25519 seed (32 bytes in base64)")
    modes.add_argument("--jws", action="store_true", help="check stored messages and receipts instead of requests")
    options.add_argument("--key-id", help="the name of the key, for --sign")
    options.add_argument("--now", type=float, metavar="SECONDS", help="the time to go by, in seconds since 1970")
    chosen = options.parse_args()
    if (chosen.sign is None) != (chosen.key_id is None):
        options.error("--sign and --key-id go together")
    seed = None if chosen.sign is None else base64.b64decode(chosen.sign, validate=True)
    # Whatever the locale says.
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")

    all_good = True
    for line in sys.stdin:
        if not line.strip():
            continue
        given = json.loads(line)
        if seed is not None:
            print(json.dumps(sign(given, seed, chosen.key_id, chosen.now), ensure_ascii=False), flush=True)
            continue
        try:
            if chosen.jws:
                verify_jws(given)
            else:
                verify(given, chosen.now)
            print("OK", flush=True)
        except (Refused, InvalidSignature, HTTPMessageSignaturesException, ValueError, KeyError) as error:
            # Signatures that do not hold have no text of their own.
            why = " ".join(str(error).split()) or "the signature does not hold"
            print(f"REFUSED: {why}", flush=True)
            all_good = False
    return 0 if all_good else 1


if __name__ == "__main__":
    sys.exit(main())
