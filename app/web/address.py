"""What a list is asked for in its address: the choices that it has, and words for what is none of them."""

from collections.abc import Callable, Collection, Iterable, Mapping


def choice(args: Mapping[str, str], name: str, is_known: Callable[[str], bool], problems: dict[str, str]) -> str:
    """Return what is chosen; of what is no choice nothing, and a sentence in *problems* under *name*."""
    said = args.get(name, "")
    if not said or is_known(said):
        return said
    problems[name] = f"“{said[:40]}” is not one of the choices."
    return ""


def not_filters(names: Iterable[str], known: Collection[str]) -> list[str]:
    """Return the names in an address by which no list of these filters is narrowed, each once."""
    return [name[:40] for name in dict.fromkeys(names) if name not in known and name != "before"]
