"""Who we are to a registry: Docker's `config.json`, credential helpers, challenges, tokens. Must not store secrets.

Spec: distribution-spec leaves authentication to HTTP; this is RFC 9110 §11 (challenges) and Docker's token
specification (docs.docker.com/registry/spec/auth/token).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from teul.errors import CommandFailed, HostLacks, InvalidDocument, RegistryProtocolError, Unauthorized, text
from teul.oci.reference import DEFAULT_DOMAIN
from teul.registry.answers import problem
from teul.registry.transport import Response, Transport, is_loopback

HUB_KEY = "https://index.docker.io/v1/"
"""How `docker login` names Docker Hub in `config.json`."""
DEFAULT_TOKEN_LIFE_S = 60.0
TOKEN_LIMIT_BYTES = 1 << 20
HELPER_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name with a password, or an identity token for OAuth 2; both empty is anonymous."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    """A ready bearer token."""

    def basic(self) -> str:
        """The value of an `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


ANONYMOUS = Credentials()


class DockerConfig:
    """`config.json` of the docker CLI: `auths`, `credsStore`, `credHelpers`. Read at each use, never written."""

    def __init__(
        self, folder: str, *, helper: Callable[[str, str, Mapping[str, str]], bytes | None] | None = None
    ) -> None:
        self._path = f"{folder}/config.json"
        self._helper = helper or run_helper

    def credentials(self, domain: str, environ: Mapping[str, str]) -> Credentials:
        """What is known about *domain*; `ANONYMOUS` when nothing is.

        Raises:
            InvalidDocument: the file is not what docker writes.
            HostLacks: the credential helper that it names is not installed.
        """
        document = self._read()
        keys = _keys(domain)
        helpers = document.get("credHelpers")
        names = [helpers[key] for key in keys if isinstance(helpers, dict) and key in helpers]
        store = names[0] if names else document.get("credsStore")
        if isinstance(store, str) and store:
            for key in keys:
                answer = self._helper(store, key, environ)
                if answer is not None:
                    return _from_helper(answer, store)
        auths = document.get("auths")
        if isinstance(auths, dict):
            for key in keys:
                if isinstance(auths.get(key), dict) and auths[key]:
                    return _from_entry(auths[key], self._path)
        return ANONYMOUS

    def _read(self) -> dict[str, object]:
        try:
            with open(self._path, "rb") as file:
                value = json.loads(file.read() or b"{}")
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return {}
        except ValueError as error:
            raise InvalidDocument(self._path, text("expected JSON, got {problem}", problem=error)) from error
        if not isinstance(value, dict):
            raise InvalidDocument(self._path, text("expected an object, got {kind}", kind=type(value).__name__))
        return value


def _keys(domain: str) -> list[str]:
    if domain == DEFAULT_DOMAIN:
        return [HUB_KEY, "index.docker.io", "docker.io", "registry-1.docker.io", "https://registry-1.docker.io"]
    return [domain, f"https://{domain}", f"https://{domain}/", f"http://{domain}", f"https://{domain}/v2/"]


def _from_entry(entry: Mapping[str, object], path: str) -> Credentials:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    encoded = entry.get("auth")
    if isinstance(encoded, str) and encoded:
        try:
            username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidDocument(path, text("`auth` is not base64 of `user:password`")) from error
        if not colon:
            raise InvalidDocument(path, text("`auth` is not base64 of `user:password`"))
        password = password.rstrip("\0")
    return Credentials(username, password, str(entry.get("identitytoken") or ""), str(entry.get("registrytoken") or ""))


def run_helper(name: str, server: str, environ: Mapping[str, str]) -> bytes | None:
    """Ask `docker-credential-NAME get`; None when it knows nothing of *server*."""
    from teul.host import process

    program = f"docker-credential-{name}"
    if "/" in name or process.find(program) is None:
        raise HostLacks(program, hint=text("install it, or remove `credsStore` from docker's config.json"))
    done = process.run([program, "get"], stdin=server.encode(), env=environ, timeout_s=HELPER_TIMEOUT_S, check=False)
    if done.exit_code == 0:
        return done.stdout
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    if "not found" in said.lower():
        return None
    raise CommandFailed(
        text(
            "`{program}` ended with exit code {exit_code}: {tail}", program=program, exit_code=done.exit_code, tail=said
        ),
        argv=(program, "get"),
        exit_code=done.exit_code,
        stderr_tail=said,
    )


def _from_helper(answer: bytes, store: str) -> Credentials:
    try:
        value = json.loads(answer)
        username, secret = str(value["Username"]), str(value["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidDocument(f"docker-credential-{store}", text("expected `Username` and `Secret`")) from error
    if username == "<token>":
        return Credentials(identity_token=secret)
    return Credentials(username, secret)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate that a server offers."""

    scheme: str
    parameters: Mapping[str, str]


_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))\s*')
_SCHEME = re.compile(rf"\s*({_WORD})(?:\s+|$|(?=,))")


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read a `WWW-Authenticate` header; what does not parse is left out.

    ``challenge = auth-scheme [ 1*SP #auth-param ]``; several may stand in one header, separated by commas.

    Spec: RFC 9110 §11.6.1.
    """
    made: list[Challenge] = []
    position = 0
    while position < len(header):
        while position < len(header) and header[position] in ", \t":
            position += 1
        scheme = _SCHEME.match(header, position)
        if not scheme:
            break
        position = scheme.end()
        parameters: dict[str, str] = {}
        while True:
            found = _PARAMETER.match(header, position)
            if not found:
                break
            quoted = found.group(2)
            parameters[found.group(1).lower()] = (
                re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else found.group(3)
            )
            position = found.end()
            if position < len(header) and header[position] == ",":
                following = _PARAMETER.match(header, position + 1)
                if not following:
                    break
                position += 1
            else:
                break
        made.append(Challenge(scheme.group(1).lower(), parameters))
    return tuple(made)


@dataclass(slots=True)
class _Token:
    header: str
    expires_at: float


class Authorizer:
    """Gives the `Authorization` header for requests to one registry; remembers tokens while they live.

    Safe for threads: several may ask at once, and one fetches. *insecure* names hosts whose token realm may be
    plain HTTP.
    """

    def __init__(
        self,
        domain: str,
        transport: Transport,
        credentials: Callable[[], Credentials],
        *,
        insecure: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._domain = domain
        self._insecure = insecure
        self._transport = transport
        self._find_credentials = credentials
        self._credentials: Credentials | None = None
        self._challenge: Challenge | None = None
        self._tokens: dict[frozenset[str], _Token] = {}
        self._lock = threading.RLock()
        self._clock = clock

    @property
    def credentials(self) -> Credentials:
        with self._lock:
            if self._credentials is None:
                self._credentials = self._find_credentials()
            return self._credentials

    def header(self, scopes: Iterable[str]) -> str:
        """The header for *scopes* (`repository:NAME:pull`) as far as known without asking; "" before a challenge."""
        with self._lock:
            if self._challenge is None:
                return ""
            if self._challenge.scheme == "basic":
                return self.credentials.basic()
            wanted = frozenset(scopes)
            token = self._tokens.get(wanted)
            if token is None or token.expires_at <= self._clock():
                token = self._tokens[wanted] = self._fetch(self._challenge, wanted)
            return token.header

    def answer(self, response: Response, scopes: Iterable[str], used: str) -> bool:
        """Learn from a 401; True when another try makes sense. *used* is the header that was refused.

        Raises:
            Unauthorized: credentials are needed and there are none, or they were refused.
        """
        challenges = parse_challenges(response.headers.get("WWW-Authenticate", ""))
        with self._lock:
            for challenge in challenges:
                if challenge.scheme == "bearer" and "realm" in challenge.parameters:
                    wanted = frozenset(scopes)
                    held = self._tokens.get(wanted)
                    if held is not None and held.header == used:
                        # Tokens may be withdrawn before their time; one fresh one is worth a try.
                        del self._tokens[wanted]
                    self._challenge = challenge
                    return True
                if challenge.scheme == "basic":
                    if self.credentials.username and not used:
                        self._challenge = challenge
                        return True
                    raise self._refused()
        return False

    def _refused(self) -> Unauthorized:
        if self.credentials.username:
            return Unauthorized(
                text(
                    "registry `{domain}`: user name or password not accepted for `{username}`",
                    domain=self._domain,
                    username=self.credentials.username,
                ),
                hint=text("docker login {domain}", domain=self._domain),
            )
        return Unauthorized(
            text("registry `{domain}`: authentication required", domain=self._domain),
            hint=text("docker login {domain}", domain=self._domain),
        )

    def _fetch(self, challenge: Challenge, scopes: frozenset[str]) -> _Token:
        """Get a token for *scopes* from the challenge's realm.

        Spec: token specification, "Requesting a Token"; with an identity token its OAuth 2 variant.
        """
        credentials = self.credentials
        if credentials.registry_token:
            return _Token(f"Bearer {credentials.registry_token}", self._clock() + 3600)
        realm = challenge.parameters["realm"]
        parts = urlsplit(realm)
        if parts.scheme not in ("http", "https") or (parts.scheme == "http" and not self._may_be_plain(parts.netloc)):
            raise RegistryProtocolError(
                text("registry `{domain}`: refused the token realm `{realm}`", domain=self._domain, realm=realm[:200])
            )
        service = challenge.parameters.get("service", "")
        scope = sorted(scopes)

        def ask() -> Response:
            if credentials.identity_token:
                form = {
                    "grant_type": "refresh_token",
                    "refresh_token": credentials.identity_token,
                    "service": service,
                    "client_id": "teul",
                    "scope": " ".join(scope),
                }
                return self._transport.send(
                    "POST",
                    realm,
                    headers={"Content-Type": "application/x-www-form-urlencoded"},
                    body=urlencode(form).encode(),
                    follow=False,
                )
            query: list[tuple[str, str]] = [("service", service)] if service else []
            query += [("scope", item) for item in scope]
            headers = {}
            if credentials.username:
                query.append(("account", credentials.username))
                headers["Authorization"] = credentials.basic()
            joiner = "&" if parts.query else "?"
            return self._transport.send(
                "GET", f"{realm}{joiner}{urlencode(query, quote_via=quote, safe=':/,')}", headers=headers
            )

        def tried() -> bytes:
            response = ask()
            if response.status in (400, 401, 403) or (response.status == 404 and credentials.username):
                response.drain()
                raise self._refused()
            if response.status != 200:
                raise problem(response, self._domain)
            return response.read(TOKEN_LIMIT_BYTES)

        answer = self._transport.retrying(tried)
        try:
            value = json.loads(answer)
            token = value.get("token") or value.get("access_token")
            life_s = float(value.get("expires_in") or DEFAULT_TOKEN_LIFE_S)
        except (ValueError, AttributeError, TypeError) as error:
            raise RegistryProtocolError(
                text("registry `{domain}`: expected a token, got something else", domain=self._domain)
            ) from error
        if not isinstance(token, str) or not token or any(ord(char) < 33 or ord(char) > 126 for char in token):
            raise RegistryProtocolError(
                text("registry `{domain}`: expected a token, got something else", domain=self._domain)
            )
        # A tenth early, so that a token does not run out between here and the registry.
        return _Token(f"Bearer {token}", self._clock() + max(life_s, 10.0) * 0.9)

    def _may_be_plain(self, netloc: str) -> bool:
        return is_loopback(netloc) or netloc in self._insecure
