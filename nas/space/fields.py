"""How a key of a search space may be written: a value, a choice, a range, a part with options.

A type is made when a value of it is first checked, or when the schema is asked for: a space names
few of the parts that there are, and some of them are registered late.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache, partial
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import no_info_plain_validator_function

from nas.common.registry import MAX_OPTION, Registry, base_name, unknown

N = TypeVar("N", int, float)

#: values a choice may hold, and steps a range may have
MAX_CHOICES, MAX_STEPS = 256, 1_000_000
#: nothing is converted: a text is no number
STRICT = ConfigDict(strict=True, allow_inf_nan=False)


class StrictSection(BaseModel):
    """A mapping with fixed keys; an unknown one is refused with those it may have."""

    model_config = STRICT | ConfigDict(extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                sentence = unknown("key", key, list(cls.model_fields))
                raise PydanticCustomError(
                    "unknown_key", "{sentence}", {"sentence": sentence, "key": key}
                )
        return data


class Range(StrictSection, Generic[N]):
    """Every number from low to high, in steps or evenly in the logarithm."""

    low: N
    """The smallest number."""
    high: N
    """The largest number, also drawn."""
    step: N | None = None
    """The distance of neighbours, from the smallest on; left out, 1 or none."""
    log: bool = False
    """Whether numbers are drawn evenly in the logarithm."""

    @model_validator(mode="after")
    def _not_empty(self) -> "Range[N]":
        if self.low >= self.high:
            raise ValueError(
                f"the range from {self.low} to {self.high} is empty: low must be below high"
            )
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(
                f"a step of {self.step} does not fit between {self.low} and {self.high}"
            )
        if self.step is not None and self.high - self.low > MAX_STEPS * self.step:
            raise ValueError(f"a step of {self.step} makes more than {MAX_STEPS:,} values")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a logarithmic range starts above 0 and has no step")
        return self


class Rise(StrictSection):
    """A number that rises in equal steps over blocks."""


def written_as(value: Any) -> str:
    """How a searched value is written: a plain value, a list to choose from, a range or a rise."""
    if isinstance(value, list):
        return "choice"
    if isinstance(value, Rise) or (isinstance(value, dict) and {"from", "to"} & value.keys()):
        return "rise"
    return "range" if isinstance(value, dict | Range) else "value"


def highest(value: Any) -> Any:
    """The largest number a key can be drawn as."""
    return (
        value.high if isinstance(value, Range) else max(value) if isinstance(value, list) else value
    )


def lowest(value: Any) -> Any:
    """The smallest number a key can be drawn as."""
    return (
        value.low if isinstance(value, Range) else min(value) if isinstance(value, list) else value
    )


#: names that a key can have: those of a registry, or words
Names = Registry[Any] | tuple[str, ...]


class Deferred:
    """The type of a key, in its `Annotated[...]`, that is made when it is first needed.

    names: those the key can have; only: those of them that are meant, all where it is None.
    plain: whether a value is right as it stands, so that no type is needed for it.
    title: the name of its definition in the JSON Schema, where it has one.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        names: Names = (),
        only: Callable[[], Iterable[str]] | None = None,
        plain: Callable[[Any], bool] = lambda value: False,
        title: str = "",
    ) -> None:
        self.make = make
        self.names = names
        self.only = only
        self.plain = plain
        self.ref = f"{title}:{id(self)}" if title else None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return no_info_plain_validator_function(self.checked, ref=self.ref)

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> Any:
        return handler(made(self).core_schema)

    def checked(self, value: Any) -> Any:
        """The value as the type has it; ValidationError for one that it refuses."""
        return value if self.plain(value) else made(self).validate_python(value)

    def descriptions(self) -> dict[str, str]:
        """Name -> description, of registered names."""
        if not isinstance(self.names, Registry):
            return {}
        only = self.only() if self.only else self.names
        return {name: self.names.description(name) for name in only if name in self.names}


@cache
def made(deferred: Deferred) -> TypeAdapter[Any]:
    """The type of a key, made; kept until something more is registered."""
    kind = deferred.make()
    is_section = isinstance(kind, type) and issubclass(kind, BaseModel)
    return TypeAdapter(kind, config=None if is_section else STRICT)


@cache
def number(kind: Any, low: float, high: float) -> Deferred:
    """A number within bounds, a choice of such numbers, or a range of them."""
    return Deferred(
        lambda: number_type(kind, low, high),
        plain=lambda value: type(value) is kind and low <= value <= high,
    )


def rising_number(kind: type, low: float, high: float) -> Deferred:
    """The same, or a rise of such numbers."""
    return Deferred(lambda: rising_type(kind, low, high))


def name(names: Names, only: Callable[[], Iterable[str]] | None = None) -> Deferred:
    """One of some names, or a choice of them."""
    return Deferred(
        lambda: name_type(tuple(only() if only else names)), names, only, named(names, only)
    )


def one_of(names: Names, only: Callable[[], Iterable[str]] | None = None) -> Deferred:
    """One of some names."""
    return Deferred(
        lambda: Literal[tuple(only() if only else names)], names, only, named(names, only)
    )


def flag_or_names(names: Names, only: Callable[[], Iterable[str]]) -> Deferred:
    """Yes, no, or a list of names."""
    return Deferred(lambda: flag_or_names_type(tuple(only())), names, only)


def component(
    registry: Registry[Any],
    only: Callable[[], Iterable[str]] | None = None,
    *,
    short: bool = False,
) -> Deferred:
    """A registered name, alone or with options, or a choice of such; with `short` the value of the
    first option may stand in place of all options.
    """
    return Deferred(
        lambda: component_type(registry, tuple(only() if only else registry), short),
        registry,
        only,
        named(registry, only),
    )


def fixed_component(registry: Registry[Any]) -> Deferred:
    """A registered name, alone or with options; nothing of it is searched."""
    return Deferred(
        lambda: one_component_type(registry, tuple(registry), searched=False),
        registry,
        plain=named(registry),
    )


def named(names: Names, only: Callable[[], Iterable[str]] | None = None) -> Callable[[Any], bool]:
    """Whether a value is one of the names."""
    return lambda value: isinstance(value, str) and value in (only() if only else names)


def named_part(
    parts: Mapping[Registry[Any], Callable[[], Iterable[str]]], names: Callable[[], Iterable[str]]
) -> Deferred:
    """One of some names, or a part of one of these registries with options, nothing of which is
    searched: as its name, followed by those that are not at their defaults.
    """
    return Deferred(
        lambda: named_part_type(
            tuple((registry, tuple(only())) for registry, only in parts.items()), tuple(names())
        ),
        (),
        names,
        named((), names),
    )


@cache
def number_type(kind: Any, low: float, high: float) -> Any:
    """The type of a number."""
    one: Any = Annotated[kind, Field(ge=low, le=high)]
    return Annotated[
        Annotated[one, Tag("value")]
        | Annotated[choice(one), Tag("choice")]
        | Annotated[Range[one], Tag("range")],
        Discriminator(written_as),
    ]


@cache
def rising_type(kind: Any, low: float, high: float) -> Any:
    """The type of a number that may rise from block to block."""
    one: Any = Annotated[kind, Field(ge=low, le=high)]
    ends: dict[str, Any] = {
        "from": (
            number_type(kind, low, high),
            Field(description="What there is before the first."),
        ),
        "to": (number_type(kind, low, high), Field(description="What the last block has.")),
    }
    rise = create_model("Rise over blocks", __base__=Rise, **ends)
    return Annotated[
        Annotated[one, Tag("value")]
        | Annotated[choice(one), Tag("choice")]
        | Annotated[Range[one], Tag("range")]
        | Annotated[rise, Tag("rise")],
        Discriminator(written_as),
    ]


def choice(one: Any) -> Any:
    """A list of distinct values, at least one."""
    unique: Any = {"uniqueItems": True}
    return Annotated[
        list[one],
        Field(min_length=1, max_length=MAX_CHOICES, json_schema_extra=unique),
        AfterValidator(distinct),
    ]


def distinct(values: list[Any]) -> list[Any]:
    """ValueError for a value that stands twice in a choice."""
    for index, value in enumerate(values):
        if any(value == other and type(value) is type(other) for other in values[:index]):
            raise ValueError(f"{value!r} stands twice in this choice")
    return values


def ascending(values: list[int]) -> list[int]:
    """ValueError unless every value is greater than the one before it."""
    if any(later <= earlier for earlier, later in zip(values, values[1:], strict=False)):
        raise ValueError(f"{values} must rise from one value to the next")
    return values


def name_type(names: tuple[Any, ...]) -> Any:
    """The type of a name."""
    one: Any = Literal[names]
    return Annotated[
        Annotated[one, Tag("value")] | Annotated[choice(one), Tag("choice")],
        Discriminator(written_as),
    ]


def flag_or_names_type(names: tuple[Any, ...]) -> Any:
    """The type of yes, no, or a list of names."""

    def form(value: Any) -> str:
        return "choice" if isinstance(value, list) else "value"

    return Annotated[
        Annotated[bool, Tag("value")] | Annotated[choice(Literal[names]), Tag("choice")],
        Discriminator(form),
    ]


class Options(StrictSection):
    """`{name: {option: value}}`: exactly one name with its options."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    @model_validator(mode="after")
    def _one_name(self) -> "Options":
        if len(self.model_fields_set) != 1:
            raise ValueError(f"exactly one name is needed here, found {len(self.model_fields_set)}")
        return self


@cache
def component_type(registry: Registry[Any], names: tuple[str, ...], short: bool = False) -> Any:
    """The type of a registered name with its options, or of a choice of such."""
    one = one_component_type(registry, names, short=short)

    def form_of_all(value: Any) -> str:
        return "choice" if isinstance(value, list) else "one"

    return Annotated[
        Annotated[one, Tag("one")]
        | Annotated[choice(one), AfterValidator(distinct_parts), Tag("choice")],
        Discriminator(form_of_all),
    ]


def named_part_type(
    parts: tuple[tuple[Registry[Any], tuple[str, ...]], ...], names: tuple[str, ...]
) -> Any:
    """The type of a name, or of a part with options as text."""

    def registry_of(name: str) -> Registry[Any]:
        near = get_close_matches(name, [one for _, own in parts for one in own], n=1)
        return next((one for one, own in parts if {name, *near} & {*own}), parts[0][0])

    def form(value: Any) -> str:
        if isinstance(value, dict):
            return registry_of(str(value.get("name", next(iter(value), "")))).kind
        return "text" if isinstance(value, str) and base_name(value) != value else "name"

    def checked(text: str) -> str:
        registry = registry_of(base_name(text))
        return registry.text(base_name(text), registry.written_options(text))

    choices: Any = Annotated[Literal[names], Tag("name")]
    choices |= Annotated[str, AfterValidator(checked), Tag("text")]
    for registry, own in parts:
        one = one_component_type(registry, own, searched=False, short=True)
        as_text = AfterValidator(partial(part_text, registry))
        choices |= Annotated[one, as_text, Tag(registry.kind)]
    return Annotated[choices, Discriminator(form), InAnyForm()]


def part_text(registry: Registry[Any], one: Options) -> str:
    """A part with options as text."""
    return registry.text(component_name(one), dict(getattr(one, component_name(one))))


class InAnyForm:
    """Tells the JSON Schema that a value may have several of the forms of a union at once."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": handler(core)["oneOf"]}


@cache
def one_component_type(
    registry: Registry[Any],
    names: tuple[str, ...],
    *,
    searched: bool = True,
    short: bool = False,
) -> Any:
    """The type of a registered name with its options."""
    deferred = {key: options_of_part(registry, key, searched=searched) for key in names}
    options: dict[str, Any] = {
        key: (Annotated[Any, one] | None, Field(None, description=registry.description(key)))
        for key, one in deferred.items()
    }
    with_options: Any = create_model(f"{registry.kind} with options", __base__=Options, **options)
    plain: Any = Literal[names]

    def form(value: Any) -> str:
        return "options" if isinstance(value, dict | Options) else "value"

    return Annotated[
        Annotated[plain, Tag("value")] | Annotated[with_options, Tag("options")],
        Discriminator(form),
        BeforeValidator(name_as_key),
        BeforeValidator(partial(first_option, registry) if short else unchanged),
        WithNameKey(registry, deferred, short=short),
    ]


def component_name(one: str | Options) -> str:
    """The name of a part that may carry options."""
    return one if isinstance(one, str) else next(iter(one.model_fields_set))


def distinct_parts(values: list[Any]) -> list[Any]:
    """ValueError for a part that stands twice in a choice, with other options."""
    labels = [component_name(value) for value in values]
    for one in labels:
        if labels.count(one) > 1:
            raise ValueError(
                f"{one!r} stands twice in this choice: write it once, and give its options "
                "as choices"
            )
    return values


class WithNameKey:
    """Tells the JSON Schema of a part that `{name: sgd, lr: 0.1}` may stand for it too, and with
    `short` that `{every: 2}` may stand for `{every: {step: 2}}`.
    """

    def __init__(
        self,
        registry: Registry[Any],
        options: dict[str, Deferred],
        *,
        short: bool = False,
    ) -> None:
        self.registry = registry
        self.options = options
        self.short = short

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        forms = [handler(core)]
        for key, options in self.options.items():
            model = options.make()
            first = next(iter(model.model_fields.values()), None)
            if self.short and first is not None:
                alone: Any = (first.annotation, first)
                only = create_model(f"{key} alone", __base__=Options, **{key: alone})
                forms.append(handler(only.__pydantic_core_schema__))
            name: Any = (Literal[key], Field(description=self.registry.description(key)))
            flat = create_model(f"{key} by name", __base__=model, name=name)
            forms.append(handler(flat.__pydantic_core_schema__))
        return {"anyOf": forms}


def listed(value: Any) -> Any:
    """Classes as a list of `{class_path: ...}`, where one, or a name alone, may stand for that."""
    given = value if isinstance(value, list) else [value]
    return [{"class_path": one} if isinstance(one, str) else one for one in given]


class OneOrMore:
    """Tells the JSON Schema what `listed` reads."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        many = handler(core)
        one = {"anyOf": [{"type": "string"}, many["items"]]}
        return {"anyOf": [*one["anyOf"], many | {"items": one}]}


def first_option(registry: Registry[Any], value: Any) -> Any:
    """`{every: 2}` read as `{every: {step: 2}}`: a value in place of options is that of the first
    one, where a part has any.
    """
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((key, given),) = value.items()
    names = list(registry.options(key)) if isinstance(key, str) and key in registry else []
    is_range = isinstance(given, dict) and "low" in given and "low" not in names
    if not names or given is None or (isinstance(given, dict) and not is_range):
        return value
    return {key: {names[0]: given}}


def unchanged(value: Any) -> Any:
    """The value."""
    return value


def name_as_key(value: Any) -> Any:
    """`{name: sgd, lr: 0.1}` read as `{sgd: {lr: 0.1}}`."""
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return {value["name"]: {key: option for key, option in value.items() if key != "name"}}
    return value


@cache
def options_of_part(registry: Registry[Any], key: str, *, searched: bool) -> Deferred:
    """The options of one name."""
    make = cache(partial(option_model, registry, key, searched=searched))
    return Deferred(make, title=f"{key} options")


def forget_types() -> None:
    """Make all types again when they are next needed."""
    for kept in (made, number_type, component_type, one_component_type, options_of_part):
        kept.cache_clear()


def option_model(registry: Registry[Any], key: str, *, searched: bool) -> Any:
    """The options of one name, from the signature of the registered part."""
    options = registry.options(key)
    fields: dict[str, Any] = {}
    for name, option in options.items():
        about = registry.option_description(key, name)
        kind = option_type(option, searched=searched)
        fields[name] = (kind, Field(option.default, description=about))
    return create_model(f"{key} options", __base__=StrictSection, **fields)


def option_type(parameter: inspect.Parameter, *, searched: bool) -> Any:
    """Numbers may be searched in ranges, words and yes or no in choices; a number may be negative
    where its default is.
    """
    kind: Any = parameter.annotation
    if kind in (int, float):
        low = -MAX_OPTION if parameter.default < 0 else 0
        bounded: Any = Annotated[kind, Field(ge=low, le=MAX_OPTION)]
        return number_type(kind, low, MAX_OPTION) if searched else bounded
    words: Any = get_args(kind) if kind is not bool else (True, False)
    return name_type(words) if searched else Literal[words]
