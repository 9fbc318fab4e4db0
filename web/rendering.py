"""Templates as Jinja renders them, byte by byte, in less time.

A page of two hundred rows puts out six thousand values. Nearly all of these are members of dictionaries, which Jinja
asks for an attribute first, and short texts that stand in many rows, which it escapes anew each time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flask.templating import Environment
from jinja2.compiler import CodeGenerator
from markupsafe import Markup, escape

_OF_DICTIONARIES = frozenset(dir(dict))  # what every one has, whatever its members are
_escaped = lru_cache(maxsize=8192)(escape)


def put_out(value: object) -> str:
    """What stands in a page for a value: escaped, unless it is markup."""
    if type(value) is Markup:
        return value
    if type(value) is str:
        return _escaped(value)
    return str(value) if type(value) is int else escape(value)


class _Code(CodeGenerator):
    def _output_child_pre(self, node: Any, frame: Any, finalize: Any) -> None:
        if frame.eval_ctx.autoescape and not frame.eval_ctx.volatile and finalize.src is None:
            self.write("environment.put_out(")
        else:
            super()._output_child_pre(node, frame, finalize)


class Pages(Environment):
    """What Flask makes templates with."""

    code_generator_class = _Code
    put_out = staticmethod(put_out)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute not in _OF_DICTIONARIES:
            try:
                return obj[attribute]
            except KeyError:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)
