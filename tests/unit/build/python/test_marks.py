"""Bytecode has the same bytes whatever else the compiler had seen."""

import marshal
import subprocess
import sys

from teul.build.python import marks

SOURCE = """
def one(engine, skipna=None):
    return engine in {"axis", "skipna", "}"} and "}" + "some text" + engine.an_attribute
def two(engine, skipna=None):
    return engine in {"skipna", "}", "axis"} and (1.5, ("axis", b"x")) and one.an_attribute
"""
COMPILE = (
    marks.PLAIN
    + f"""
import sys
exec(sys.argv[1])
code = compile({SOURCE!r}, "/a.py", "exec", dont_inherit=True)
sys.stdout.write(plain(code).hex())
"""
)


def compiled(before):
    return subprocess.run(
        [sys.executable, "-S", "-c", COMPILE, before], capture_output=True, text=True, check=True
    ).stdout


def test_what_else_the_process_held_is_not_written():
    held = "held = [sys.intern('}'), sys.intern('an_attribute'), sys.intern('skipna'), sys.intern('some text')]"

    assert compiled("pass") == compiled(held)
    scope = {}
    exec(marshal.loads(bytes.fromhex(compiled("pass"))), scope)
    assert scope["one"]("zebra") is False
    assert scope["two"]("nothing") is False


def test_what_is_plain_stays_so():
    scope = {}
    exec(marks.PLAIN, scope)
    made = scope["plain"](compile(SOURCE, "/a.py", "exec", dont_inherit=True))

    assert scope["plain"](marshal.loads(made)) == made
