"""Plain data, such as JSON and TOML give, to structs: strictly, and with errors in plain words."""

import collections.abc
import difflib
import enum
import functools
import json
import re
import types
import typing

import msgspec


__all__ = ["convert", "nearest", "said"]


_Kind = typing.TypeVar("_Kind")

#: Types in the words of one who never saw Python.
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false",
          types.NoneType: "nothing"}

#: Characters of a value that a message shows.
_SHOWN = 60

#: What msgspec adds to the words of a ``__post_init__``.
_PLACE = re.compile(r" - at `[^`]*`$")


def convert(kind: type[_Kind], document: object,
            known: collections.abc.Sequence[str] = ()) -> _Kind:
    """Decode plain data strictly.

    Parameters
    ----------
    kind : type
        A ``msgspec.Struct`` whose nested structs are reached by fields, dicts, tuples and tagged
        unions.
    document : object
        What JSON or TOML made of a text.
    known : sequence of str
        Keys that the outermost table may have besides, for who misspelt them.

    Returns
    -------
    instance of ``kind``

    Raises
    ------
    ValueError
        One line: the dotted place, what must be there and what is.
    """
    _refuse_unknown(kind, document, "", known)
    try:
        return msgspec.convert(document, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise ValueError(_blame(kind, document, "", error)) from None


def nearest(word: str, known: collections.abc.Iterable[str], count: int = 1) -> list[str]:
    """Known words that another may have been meant to be, in whatever case, the nearest first."""
    folded = {each.lower(): each for each in known}
    return [folded[each] for each in difflib.get_close_matches(word.lower(), folded, count)]


@functools.cache
def _fields(kind):
    """Fields of a struct by name; resolving annotations takes a millisecond."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _is_struct(kind):
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _plain(kind, document):
    """The type that a value must have of those that an annotation allows."""
    if typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) not in (types.UnionType, typing.Union):
        return kind
    options = [one for one in typing.get_args(kind) if one is not types.NoneType]
    if document is None or len(options) == 1:
        return types.NoneType if document is None else _plain(options[0], document)
    tag = document.get("type") if isinstance(document, dict) else None
    return next((one for one in options
                 if _is_struct(one) and one.__struct_config__.tag == tag), kind)


def _parts(kind, document):
    """Type, value and name of each part of a value that has the outer form of its type."""
    if isinstance(document, dict) and _is_struct(kind):
        for name, field in _fields(kind).items():
            if name in document:
                yield field.type, document[name], name
    elif isinstance(document, dict) and typing.get_origin(kind) is dict:
        for name, value in document.items():
            yield typing.get_args(kind)[1], value, name
    elif isinstance(document, list) and typing.get_origin(kind) in (tuple, list):
        for index, value in enumerate(document):
            yield typing.get_args(kind)[0], value, index


def _join(place, name):
    """Dotted place of a part."""
    if isinstance(name, int):
        return f"{place}[{name}]"
    if not re.fullmatch(r"[\w-]+", name):
        name = json.dumps(name)
    return f"{place}.{name}" if place else name


def _refuse_unknown(kind, document, place, others):
    """Raise ``ValueError`` on a key that ``kind`` doesn't have, with one that may be meant.

    ``others`` are keys that the outermost table may have, besides its fields where this is it.
    """
    kind = _plain(kind, document)
    if (isinstance(document, dict) and _is_struct(kind)
            and kind.__struct_config__.forbid_unknown_fields):
        known = [*_fields(kind), *(["type"] if kind.__struct_config__.tag else [])]
        for name in document:
            if name not in known:
                where = f" in {place}" if place else ""
                raise ValueError(f"unknown key {name!r}{where}; "
                                 f"{_meant(name, kind, known, place, others)}")
        if not place:
            others = [*known, *others]
    for inner, value, name in _parts(kind, document):
        _refuse_unknown(inner, value, _join(place, name), others)


def _meant(name, kind, known, place, others):
    """The end of a message on an unknown key: what it was meant to be, or what it may be."""
    for outer, field in _fields(kind).items():
        inner = _plain(field.type, {})
        if _is_struct(inner) and name in _fields(inner):
            return f"did you mean {_join(outer, name)!r}?"
    if place and name in others:
        return f"did you mean {name!r} at the top level, before all tables?"
    close = nearest(name, known if place else [*known, *others])
    return f"did you mean {close[0]!r}?" if close else f"the known ones are {', '.join(known)}"


def _blame(kind, document, place, error):
    """What is wrong with a value, told at its innermost wrong part."""
    plain = _plain(kind, document)
    for inner, value, name in _parts(plain, document):
        try:
            msgspec.convert(value, inner)
        except (msgspec.ValidationError, OverflowError) as deeper:
            return _blame(inner, value, _join(place, name), deeper)
    if isinstance(document, dict) and _is_struct(plain):
        for name, field in _fields(plain).items():
            if field.required and name not in document:
                return f"{_join(place, name)} is missing; it must be {_expected(field.type)}"
        words = _PLACE.sub("", str(error))
        if not place:
            return words
        return f"{place}.{words}" if words.split()[0] in _fields(plain) else f"{place}: {words}"
    tags = [one.__struct_config__.tag for one in typing.get_args(plain) if _is_struct(one)]
    if isinstance(document, dict) and tags:
        found = said(document["type"]) if "type" in document else "missing"
        return f"{_join(place, 'type')} must be one of {', '.join(tags)}, not {found}"
    expected = _expected(kind)
    found = said(document)
    if isinstance(document, str) and not expected.startswith("one of"):
        found = f"the text {found}"
    return f"{place or 'it'} must be {expected}, not {found}"


def _expected(kind):
    """What a value of a type is."""
    if typing.get_origin(kind) is typing.Annotated:
        inner, limits = typing.get_args(kind)
        return f"{_expected(inner)}{_limits(limits)}"
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        options = [one for one in typing.get_args(kind) if one is not types.NoneType]
        return "a table" if len(options) > 1 else _expected(options[0])
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return f"one of {', '.join(each.value for each in kind)}"
    if typing.get_origin(kind) in (tuple, list):
        return "an array"
    return _WORDS.get(kind, "a table")


def _limits(limits):
    """Bounds of a number or of a length."""
    for low, high, unit in ((limits.ge, limits.le, ""),
                            (limits.min_length, limits.max_length, " entries")):
        if low is not None:
            return f" {'of' if unit else 'from'} {low} to {high}{unit}"
    return ""


def said(value: object) -> str:
    """A value as a message shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"an array of {len(value)}" if value else "an empty array"
    if isinstance(value, dict):
        return "a table"
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
