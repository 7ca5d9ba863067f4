"""Names and what they stand for: one table for each kind of part."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache, partial
from importlib import import_module
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from nas.common.errors import shown

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

#: types an option can have, besides a Literal of words
OPTION_TYPES = {"int": int, "float": float, "bool": bool}


#: the largest number an option can be
MAX_OPTION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A registered function with facts beside it: a kind of parts adds its facts as fields."""

    function: Callable[..., Any]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """What the function returns."""
        return self.function(*arguments, **options)


class Registry(Generic[T]):
    """A table of named parts of one kind.

    The keyword-only parameters of a part are its options. Its docstring is its description, in
    which a line `option: …` describes an option. entry: what is made of a registered function and
    the facts beside it. home: the module that registers the parts, imported when they are first
    asked for. shared: a function whose keyword-only parameters are options of every part.
    """

    def __init__(
        self,
        kind: str,
        entry: Callable[..., T] | None = None,
        home: str | None = None,
        shared: Callable[..., Any] | None = None,
    ) -> None:
        self.kind = kind
        self.shared = shared
        self._entry = entry
        self._home = home
        self._parts: dict[str, T] = {}
        self._later: dict[str, tuple[str, ...]] = {}
        self._options: dict[str, Mapping[str, inspect.Parameter]] = {}

    def add(self, name: str, part: T) -> T:
        """Enter a part; a second one of the same name is an error."""
        if name in self:
            raise ValueError(f"{self.kind} {name!r} is registered twice.")
        for option, parameter in options_of(part).items():
            if not is_option(parameter):
                raise TypeError(
                    f"option {option!r} of {self.kind} {name!r} must have a default and one of the "
                    "types int, float, bool and Literal."
                )
        self._parts[name] = part
        self._options.pop(name, None)
        return part

    def register(self, name: str, *, later: tuple[str, ...] = (), **facts: Any) -> Callable[[F], F]:
        """Enter the decorated function or class, with the facts that this kind of parts has.

        later: options that came after the part; `written` leaves them out at their defaults.
        """

        def enter(function: F) -> F:
            part: Any = function if self._entry is None else self._entry(function=function, **facts)
            self.add(name, part)
            self._later[name] = later
            return function

        return enter

    def __getitem__(self, text: str) -> T:
        """The part of a name, or of `name(option=value, …)` with these options."""
        parts = self._loaded()
        name = base_name(text)
        if name not in parts:
            raise ValueError(unknown(self.kind, name, list(parts)))
        return parts[name] if name == text else bound(parts[name], self.written_options(text))

    def __contains__(self, name: object) -> bool:
        return name in self._loaded()

    def written_options(self, text: str) -> dict[str, Any]:
        """The options in `name(option=value, …)`; ValueError where they cannot be those."""
        name, known = base_name(text), self.options(text)
        found: dict[str, Any] = {}
        for item in text[len(name) + 1 : -1].split(", ") if name != text else []:
            key, _, value = item.partition("=")
            if key not in known or key in found:
                raise ValueError(unknown(f"option of {name}", key, list(known)))
            found[key] = read_option(value, known[key].annotation)
        self.check(name, found.items())
        if list(found) != sorted(found):
            raise ValueError(f"the options of {shown(text)} must stand in alphabetical order.")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts())

    def parts(self) -> dict[str, T]:
        """All parts by name, as they are now."""
        return dict(self._loaded())

    def _loaded(self) -> Mapping[str, T]:
        """The parts themselves, after their home was imported."""
        if self._home is not None:
            home, self._home = self._home, None
            import_module(home)
        return self._parts

    def function(self, name: str) -> Any:
        """The registered function or class itself."""
        return function_of(self._of(name))

    def _of(self, text: str) -> T:
        """The part of a name, whatever its options."""
        return self[base_name(text)]

    def options(self, name: str) -> Mapping[str, inspect.Parameter]:
        """Option name -> its parameter (annotation and default); a part's own before shared ones.

        Where a part has an option of its own by the name of a shared one, it is its own. They are
        kept, as a check of a space asks often.
        """
        name = base_name(name)
        if name not in self._options:
            own = options_of(self[name])
            shared = {} if self.shared is None else keyword_only(self.shared)
            self._options[name] = own | {k: v for k, v in shared.items() if k not in own}
        return self._options[name]

    def own_options(self, name: str) -> list[str]:
        """The options that the part's function takes."""
        return list(options_of(self._of(name)))

    def defaults(self, name: str) -> dict[str, Any]:
        """Option name -> its default."""
        return {key: option.default for key, option in self.options(name).items()}

    def check(self, name: str, options: Iterable[tuple[str, Any]]) -> None:
        """ValueError where there is no such part, or an option of it cannot have its value."""
        known = self.options(name)
        for key, value in options:
            if key not in known:
                raise ValueError(unknown(f"option of {name}", key, list(known)))
            if not fits(value, known[key].annotation):
                raise ValueError(f"{key} of {name} cannot be {shown(value)}.")

    def written(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """The options of a part as a candidate holds them: without those that came later and stand
        at their defaults, so that what was hashed before they came has the same hash after.
        """
        known, own = self.options(name), options_of(self[name])
        later = self._later.get(name, ())
        return {
            key: value
            for key, value in options.items()
            if (key in own and key not in later) or value != known[key].default
        }

    def text(self, name: str, options: dict[str, Any]) -> str:
        """A part as `name(option=value, …)`, without options at their defaults."""
        usual = self.defaults(name)
        given = sorted((key, value) for key, value in options.items() if value != usual[key])
        text = ", ".join(f"{key}={value}" for key, value in given)
        return f"{name}({text})" if text else name

    def description(self, name: str) -> str:
        """What a part is, on one line: its docstring without the lines about options."""
        return documentation(self.function(name))[0]

    def option_description(self, name: str, option: str) -> str:
        """What an option of a part is, on one line; empty where its docstring does not say."""
        own = option in self.own_options(name)
        found = documentation(self.function(name) if own or self.shared is None else self.shared)
        return found[1].get(option, "")


def base_name(text: str) -> str:
    """The name in `name(option=value, …)`."""
    return text.partition("(")[0] if text.endswith(")") else text


def bound(part: Any, options: dict[str, Any]) -> Any:
    """A part with some of its options."""
    if isinstance(part, Entry):
        return replace(part, function=partial(part.function, **options))
    return partial(part, **options)


def read_option(text: str, kind: Any) -> Any:
    """An option as it is written in a name; ValueError where it is no number."""
    if get_origin(kind) is Literal:
        return next((word for word in get_args(kind) if str(word) == text), text)
    if kind is bool:
        return {"True": True, "False": False}.get(text, text)
    try:
        number = kind(text)
    except ValueError as error:
        raise ValueError(f"an option cannot be {shown(text)}.") from error
    if not abs(number) <= MAX_OPTION:  # also where it is NaN
        raise ValueError(f"an option cannot be {shown(text)}.")
    return number


def fits(value: Any, kind: Any) -> bool:
    """Whether an option of a kind can have a value."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    return type(value) is kind or (kind is float and type(value) is int)


def function_of(part: Any) -> Any:
    """The registered function or class of a part."""
    return part.function if isinstance(part, Entry) else part


def options_of(part: Any) -> dict[str, inspect.Parameter]:
    """Option name -> its parameter."""
    function = function_of(part)
    return keyword_only(function) if callable(function) else {}


@cache
def keyword_only(part: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a part; kept, as a check of a space asks often."""
    parameters = inspect.signature(part).parameters
    return {
        name: parameter.replace(
            annotation=OPTION_TYPES.get(parameter.annotation, parameter.annotation)
        )
        for name, parameter in parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def is_option(parameter: inspect.Parameter) -> bool:
    """Whether a search can vary the parameter and JSON can hold it."""
    kind = parameter.annotation
    known = kind in OPTION_TYPES.values() or get_origin(kind) is Literal
    return known and parameter.default is not parameter.empty


@cache
def documentation(part: Any) -> tuple[str, dict[str, str]]:
    """A docstring as the text about the part and the texts about its options, each on one line."""
    about, options = [], {}
    name = None
    for line in (inspect.getdoc(part) or "").splitlines():
        found = re.fullmatch(r"(\w+): (.+)", line)
        if found and found[1] in keyword_only(part):
            name, options[found[1]] = found[1], found[2]
        elif name is not None and line.strip():
            options[name] += f" {line.strip()}"
        elif name is None:
            about.append(line)
    return " ".join(" ".join(about).split()), options


def unknown(kind: str, name: object, known: list[str]) -> str:
    """The sentence for a name that is not in a table, with the nearest one that is."""
    if not known:
        return f"unknown {kind} {name!r}: there is none to give here."
    near = get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}: it can be {', '.join(known)}.{hint}"
