"""A PostgreSQL server of the tests' own: a cluster in a new folder, on a Unix socket only, run by the user `postgres`."""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def programs():
    """The folder of the newest `initdb` of this machine, or ""."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    return os.path.dirname(max(found, key=lambda path: int(path.split("/")[4]))) if found else ""


def why_not():
    if not programs():
        return "postgresql is not installed"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed"
    return "" if os.geteuid() == 0 else "needs root (the server runs as the user postgres)"


class Cluster:
    """`close` ends it and removes its folder. Nothing is flushed, unless asked: no test pulls the plug."""

    def __init__(self, *, flushes=False):
        self._options = "" if flushes else " -c fsync=off -c full_page_writes=off -c shared_buffers=16MB"
        # Not in the test's folder: a socket's path may have 107 bytes, and the user postgres must get there.
        self.folder = tempfile.mkdtemp(prefix="pg-", dir="/tmp")
        self._count = 0
        self._emptied = ""
        user = pwd.getpwnam("postgres")
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._run(
            "initdb", "-D", f"{self.folder}/data", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "--no-sync",
            "--no-instructions",
        )  # fmt: skip
        self.start()

    def start(self):
        options = f"-k {self.folder} -c listen_addresses={self._options}"
        self._run("pg_ctl", "start", "-w", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-o", options)

    def stop(self, mode="immediate"):
        """`immediate` is what a crash looks like: no connection is closed, nothing is written."""
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", f"{self.folder}/data")

    def new_database(self):
        """The URL of an empty database."""
        self._count += 1
        name = f"store_{self._count}"
        self.query("postgres", f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        return self.url(name)

    def emptied(self):
        """The URL of a database that was emptied; sooner than a new one."""
        if self._emptied:
            self.query(self._emptied, "DROP SCHEMA IF EXISTS teul CASCADE")
        else:
            self.new_database()
            self._emptied = f"store_{self._count}"
        return self.url(self._emptied)

    def url(self, name):
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def query(self, database, sql):
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def close(self):
        self.stop()
        shutil.rmtree(self.folder)

    def _run(self, program, *arguments):
        subprocess.run(
            [f"{programs()}/{program}", *arguments],
            check=True,
            user="postgres",
            group="postgres",
            extra_groups=[],
            cwd=self.folder,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
