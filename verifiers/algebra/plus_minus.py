"""Plus-minus signs as sets of values.

Takes a tree; gives a tree without `pm` and `mp`. Does not depend on text.
"""

from __future__ import annotations

from collections.abc import Iterator

from restem.verifiers.algebra.nodes import Many, Node, Operation, Quantity, Relation, Unreadable, children

MAX_SIGNS = 16  # values of one expression with several plus-minus signs


def expanded(node: Node) -> Node:
    """A tree in which plus-minus signs have become sets of values."""
    if not _has_sign(node):
        return node
    if isinstance(node, Relation) and node.operators == ("=",):
        return Relation(node.operators, (node.sides[0], expanded(node.sides[1])))
    if isinstance(node, Many) and node.kind in ("", "{"):
        values = [part for item in node.items for part in _parts(expanded(item))]
        if all(isinstance(part, Relation) for part in values):
            return Many(node.kind, tuple(values))
        return Many("{", tuple(values))
    if isinstance(node, Quantity):
        inner = expanded(node.value)
        return Many("{", tuple(Quantity(part, node.unit) for part in _parts(inner)))
    if not isinstance(node, Operation | Many):
        raise Unreadable("syntax")
    signs = _signs(node)
    has_opposite = "mp" in signs
    count = 1 if has_opposite else len(signs)
    if 2**count > MAX_SIGNS:
        raise Unreadable("too_large")
    values = []
    for choice in range(2**count):
        bits = [bool(choice >> place & 1) for place in range(count)] * (len(signs) if has_opposite else 1)
        values.append(_signed(node, iter(bits)))
    return Many("{", tuple(values))


def _parts(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Many) and node.kind == "{" else (node,)


def _has_sign(node: Node) -> bool:
    return (isinstance(node, Operation) and node.operator in ("pm", "mp")) or any(map(_has_sign, children(node)))


def _signs(node: Node) -> list[str]:
    here = [node.operator] if isinstance(node, Operation) and node.operator in ("pm", "mp") else []
    return here + [sign for part in children(node) for sign in _signs(part)]


def _signed(node: Node, bits: Iterator[bool]) -> Node:
    """The tree with one sign for each plus-minus."""
    if isinstance(node, Operation):
        if node.operator in ("pm", "mp"):
            negative = next(bits) ^ (node.operator == "mp")
            inner = _signed(node.operands[0], bits)
            return Operation("neg", (inner,)) if negative else inner
        return Operation(node.operator, tuple(_signed(part, bits) for part in node.operands))
    if isinstance(node, Many):
        return Many(node.kind, tuple(_signed(part, bits) for part in node.items))
    if _has_sign(node):
        raise Unreadable("syntax")
    return node
