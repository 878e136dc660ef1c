"""Git repositories for a build, by the git program. A repository is hostile: none of its words becomes an option, none
of its files is run, nothing of it is written outside of the folder that it is given.

git gets an environment and settings of its own: no hooks, no filters, no system or user configuration, no questions on
a terminal, and no transport but http(s), ssh and git (`ext::` would run a program).
"""

from __future__ import annotations

import os

from teul.build.sources import COMMIT
from teul.errors import CommandFailed, InvalidInput, SourceUnavailable, text
from teul.host import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import dataclass

    from teul.build.sources import GitSource
else:
    from teul.values import dataclass

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.autocrlf": "false",
    "core.attributesFile": "/dev/null",
    "core.fileMode": "true",
    "core.symlinks": "true",
    "init.defaultBranch": "main",
    "init.templateDir": "",
    "advice.detachedHead": "false",
    "gc.auto": "0",
    "credential.helper": "",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "protocol.ext.allow": "never",
    "protocol.file.allow": "never",
    "submodule.recurse": "false",
    "transfer.bundleURI": "false",
}
_KEPT = ("PATH", "LANG", "TMPDIR", "http_proxy", "https_proxy", "all_proxy", "no_proxy")
_KEPT_UPPER = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAccess:
    """What git needs to get at repositories. *environ* is the caller's; *ssh_socket* gives an agent's; *secrets* may hold
    `GIT_AUTH_TOKEN` and `GIT_AUTH_HEADER`, also with `.host` at the end.
    """

    environ: Mapping[str, str]
    secrets: Mapping[str, bytes]
    ssh_socket: Callable[[], str] = lambda: ""


def resolve(source: GitSource, access: GitAccess) -> str:
    """The commit that *source* means now.

    Raises:
        InvalidInput: no such ref, or a commit that does not begin with the checksum.
        SourceUnavailable: the repository cannot be reached. HostLacks: no git.
    """
    if COMMIT.fullmatch(source.ref):
        _check(source, source.ref)
        return source.ref
    asked = [source.ref, f"{source.ref}^{{}}"] if source.ref else ["HEAD"]
    done = _git(["ls-remote", "--", source.url, *asked], source, access, cwd="/")
    found: dict[str, str] = {}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        commit, _, name = line.partition("\t")
        if COMMIT.fullmatch(commit):
            found[name] = commit
    names = (source.ref, f"refs/tags/{source.ref}", f"refs/heads/{source.ref}") if source.ref else ("HEAD",)
    for name in names:
        if name in found:
            # An annotated tag is an object of its own; either digest may be what was written down.
            commit = found.get(f"{name}^{{}}", found[name])
            if not found[name].startswith(source.checksum):
                _check(source, commit)
            return commit
    raise InvalidInput(
        text("git repository `{url}`: no ref `{ref}`", url=source.shown, ref=source.ref or "HEAD"),
        hint=text("git ls-remote {url}", url=source.shown.partition("#")[0]),
    )


def _check(source: GitSource, commit: str) -> None:
    if not commit.startswith(source.checksum):
        raise InvalidInput(
            text(
                "git repository `{url}`: expected a commit that begins with {expected}, got {actual}",
                url=source.shown,
                expected=source.checksum,
                actual=commit,
            )
        )


def checkout(source: GitSource, commit: str, folder: str, access: GitAccess) -> str:
    """Put the files of *commit* into *folder* (made here) and return the folder that `subdir` names.

    Raises:
        InvalidInput: the commit or the folder is not in the repository.
        SourceUnavailable, HostLacks: as `resolve`.
    """
    os.makedirs(folder, mode=0o755)
    os.chmod(folder, 0o755)
    _git(["init", "--quiet", "--", "."], source, access, cwd=folder)
    _git(["remote", "add", "--", "origin", source.url], source, access, cwd=folder)
    # What a server hands out by name it may refuse by digest, and the other way round when the name has moved on.
    wanted = [] if source.fetch_by_commit or not source.ref or COMMIT.fullmatch(source.ref) else [source.ref]
    for attempt in (
        [commit],
        *([word] for word in wanted),
        ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"],
    ):
        depth = ["--depth=1"] if len(attempt) == 1 else []
        try:
            _git(
                ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", *depth, "--", "origin", *attempt],
                source,
                access,
                cwd=folder,
            )
            _git(["cat-file", "-e", f"{commit}^{{commit}}"], source, access, cwd=folder)
            break
        except SourceUnavailable as error:
            failure = error
    else:
        raise failure
    _git(["checkout", "--quiet", "--force", "--detach", commit], source, access, cwd=folder)
    if source.submodules and os.path.lexists(f"{folder}/.gitmodules"):
        update = ["submodule", "--quiet", "update", "--init", "--recursive"]
        try:
            _git([*update, "--depth=1"], source, access, cwd=folder)
        except SourceUnavailable:
            # A server without shallow copies, or a commit that only the whole history has.
            _git(update, source, access, cwd=folder)
    if source.commit_mtime:
        _set_times(source, commit, folder, access)
    from teul.build.tree import Tree

    tree = Tree(folder)
    inner = tree.resolve(source.subdir)
    path = tree.absolute(inner)
    if inner == ".git" or inner.startswith(".git/") or not os.path.isdir(path) or os.path.islink(path):
        raise InvalidInput(
            text("git repository `{url}`: no folder `{path}` in it", url=source.shown, path=source.subdir)
        )
    if source.keep_git_dir:
        # The address may hold a password; the image shall not.
        _git(["remote", "set-url", "--", "origin", source.shown.partition("#")[0]], source, access, cwd=folder)
        _remove(f"{folder}/.git/FETCH_HEAD")
        _remove(f"{folder}/.git/logs")
        _remove(f"{folder}/.git/hooks")
        # The index of a checkout holds inodes and times; this one holds none, and git fills them in when it needs them.
        _remove(f"{folder}/.git/index")
        _git(["read-tree", commit], source, access, cwd=folder)
    _tidy(folder, keep_git_dir=source.keep_git_dir)
    return path


def _tidy(folder: str, *, keep_git_dir: bool) -> None:
    """One mode for every file and folder, whatever the caller's umask is; `.git` goes unless it was asked for."""
    for place, folders, files in os.walk(folder):
        os.chmod(place, 0o755)
        for name in files:
            path = f"{place}/{name}"
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)
        if ".git" in folders or ".git" in files:
            if not keep_git_dir:
                _remove(f"{place}/.git")
            folders[:] = [name for name in folders if name != ".git"]


def _remove(path: str) -> None:
    from teul.host.fs import remove_file, remove_tree

    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        remove_file(path)


def _set_times(source: GitSource, commit: str, folder: str, access: GitAccess) -> None:
    shown = _git(["show", "--no-patch", "--format=%ct", commit], source, access, cwd=folder).stdout
    when = int(shown.split()[0]) * 10**9
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.utime(f"{place}/{name}", ns=(when, when), follow_symlinks=False)
        folders[:] = [name for name in folders if name != ".git"]


def _environment(source: GitSource, access: GitAccess) -> dict[str, str]:
    made = {name: access.environ[name] for name in (*_KEPT, *_KEPT_UPPER) if access.environ.get(name)}
    made |= {
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "SSH_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": "http:https:ssh:git",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        "LC_ALL": "C",
    }
    for name in ("GIT_SSL_CAINFO", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        if os.path.isfile(access.environ.get(name, "")):
            made["GIT_SSL_CAINFO"] = access.environ[name]
            break
    if not source.url.startswith(("http://", "https://")) and (agent := access.ssh_socket()):
        made["SSH_AUTH_SOCK"] = agent
    settings = dict(_SETTINGS)
    header = _header(source, access)
    if header:
        from urllib.parse import urlsplit

        parts = urlsplit(source.url)
        place = parts.netloc.rpartition("@")[2]
        settings[f"http.{parts.scheme}://{place}/.extraHeader"] = header
    # In the environment, not among the arguments, which everybody on the host can read.
    made["GIT_CONFIG_COUNT"] = str(len(settings))
    for number, (name, value) in enumerate(settings.items()):
        made[f"GIT_CONFIG_KEY_{number}"] = name
        made[f"GIT_CONFIG_VALUE_{number}"] = value
    return made


def _header(source: GitSource, access: GitAccess) -> str:
    """The Authorization header that a secret gives, "" for none.

    Source: Docker's documentation, "Build secrets", "Git authentication for remote contexts".
    """
    if not source.url.startswith(("http://", "https://")):
        return ""
    import base64
    from urllib.parse import urlsplit

    host = urlsplit(source.url).hostname or ""
    for name in (f"GIT_AUTH_HEADER.{host}", f"GIT_AUTH_TOKEN.{host}", "GIT_AUTH_HEADER", "GIT_AUTH_TOKEN"):
        value = access.secrets.get(name)
        if value is None:
            continue
        word = value.decode("latin-1").strip()
        if "\n" in word or "\r" in word:
            raise InvalidInput(text("secret `{id}`: expected one line", id=name))
        if "HEADER" in name:
            return f"Authorization: {word}"
        return "Authorization: Basic " + base64.b64encode(f"x-access-token:{word}".encode("latin-1")).decode()
    return ""


def _git(words: list[str], source: GitSource, access: GitAccess, *, cwd: str) -> process.Completed:
    program = process.require("git")
    try:
        return process.run([program, *words], env=_environment(source, access), cwd=cwd)
    except CommandFailed as error:
        lines = [line for line in error.stderr_tail.splitlines() if line.strip()]
        problem = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
        raise SourceUnavailable(
            text(
                "git repository `{url}`: {problem}",
                url=source.shown,
                problem=problem.replace(source.url, source.shown) or error.message,
            ),
            hint=_hint(problem, source),
        ) from error


def _hint(problem: str, source: GitSource) -> str | None:
    if "could not read Username" in problem or "Authentication failed" in problem:
        return text("--secret id=GIT_AUTH_TOKEN,env=TOKEN")
    if "Permission denied" in problem or "Host key verification failed" in problem:
        return text("--ssh default, with the key in the agent and the host in ~/.ssh/known_hosts")
    return None
