"""Bytecode without accidental marks: the same bytes whoever compiled, so that layers with `.pyc` files are shared.

CPython's `marshal` marks what is referred to more than once, and for a string it asks how many in the whole process
hold it: whether something else that the compiler had loaded uses the same word is written into the file, and likewise
whether it had used a single letter as a name. `PLAIN` holds every string once more while it writes, and has used every
letter, so all of them are marked. What is loaded from it is the same.
"""

from __future__ import annotations

PLAIN = r"""
def merged(code, known):
    import marshal
    # Equal sets of constants are mostly, but not always, one object.
    consts, is_other = [], False
    for part in code.co_consts:
        if type(part) is frozenset:
            part, is_other = known.setdefault(marshal.dumps(part, 2), part), True
        elif type(part) is type(code):
            other = merged(part, known)
            part, is_other = other, is_other or other is not part
        consts.append(part)
    return code.replace(co_consts=tuple(consts)) if is_other else code
def plain(code):
    import marshal, sys
    for number in range(256):
        sys.intern(chr(number))
    code = merged(marshal.loads(marshal.dumps(code)), {})
    held = [sys.intern("")]
    def hold(item):
        kind = type(item)
        if kind is str:
            held.append(item)
        elif kind is tuple or kind is frozenset:
            for part in item:
                hold(part)
        elif kind is type(hold.__code__):
            for part in (item.co_filename, item.co_name, getattr(item, "co_qualname", None), item.co_names,
                         item.co_varnames, item.co_freevars, item.co_cellvars, item.co_consts):
                hold(part)
    hold(code)
    return marshal.dumps(code)
"""
