"""Values that hold arrays: they cannot change, and two of the same content are equal."""

import dataclasses
import functools
import hashlib
import types
import typing

import numpy as np


__all__ = ["Frozen", "protected"]


def _settled(array):
    """Whether nobody can write to an array, be it by a view of the same memory."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable or type(array) is not np.ndarray:
            return False
        array = array.base
    return array is None or isinstance(array, bytes)


def protected(value: typing.Any) -> typing.Any:
    """A value that nobody can change.

    Parameters
    ----------
    value : object
        Arrays are copied, but for those that nobody can write to; lists become tuples and dicts
        read-only mappings, of protected values. Everything else stays as it is.

    Returns
    -------
    object
    """
    if isinstance(value, np.ndarray):
        if not _settled(value):
            value = np.array(value, order="C")
            value.flags.writeable = False
        return value
    if type(value) in (list, tuple):
        return tuple(map(protected, value))
    if isinstance(value, (dict, types.MappingProxyType)):
        return types.MappingProxyType({key: protected(each) for key, each in value.items()})
    return value


def _content(value):
    """What two protected values have in common if, and only if, they are the same."""
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value).data
        return value.dtype.str, value.shape, hashlib.sha256(data).hexdigest()
    if isinstance(value, Frozen):
        return value._content
    if isinstance(value, tuple):
        return tuple(map(_content, value))
    if isinstance(value, types.MappingProxyType):
        return tuple(sorted((key, _content(each)) for key, each in value.items()))
    return value


def _brief(value):
    """A protected value in a few words."""
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} {value.shape}>"
    if isinstance(value, types.MappingProxyType) or (
            isinstance(value, tuple) and not all(isinstance(each, (int, str)) for each in value)):
        return f"<{len(value)} entries>"
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}..."


def _plain(value):
    """A protected value as one that can be copied and pickled."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, types.MappingProxyType):
        return {key: _plain(each) for key, each in value.items()}
    return value


@typing.dataclass_transform(frozen_default=True)
class Frozen:
    """Base of frozen dataclasses that hold arrays, alone or in lists, tuples, dicts and each other.

    A subclass is made a dataclass. Its constructor protects what it is given, see
    :func:`protected`; one with a ``__post_init__`` calls that of this class, before or after its
    checks. Instances of one class are equal if their fields are, arrays bit for bit and in type and
    shape, and have a hash that agrees with that.
    """

    __dataclass_fields__: typing.ClassVar[dict[str, dataclasses.Field]]

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)

    def __post_init__(self):
        self._hold(**{field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    def _hold(self, **values):
        """Set fields in the constructor, protected."""
        for name, value in values.items():
            object.__setattr__(self, name, protected(value))

    @functools.cached_property
    def _content(self):
        return (type(self).__name__, *(_content(getattr(self, field.name))
                                       for field in dataclasses.fields(self) if field.compare))

    @property
    def digest(self) -> str:
        """SHA-256 of the content in hexadecimal, the same for equal instances."""
        return hashlib.sha256(repr(self._content).encode()).hexdigest()

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return self is other or self._content == other._content

    def __hash__(self):
        return hash(self._content)

    def __repr__(self):
        fields = ", ".join(f"{field.name}={_brief(getattr(self, field.name))}"
                           for field in dataclasses.fields(self) if field.repr)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self):
        # Copies and pickles of a read-only array can be written to: the constructor protects them.
        return type(self), tuple(_plain(getattr(self, field.name))
                                 for field in dataclasses.fields(self))
