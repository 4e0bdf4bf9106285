"""Read the objects of files, folders, standard input, revisions of git and kustomizations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.insight.sources.manifests import Manifest, ManifestError, NothingThereError, has_list, objects
from podwire.insight.sources.text import SUFFIXES, AbsentError, SourceError, Text
from podwire.insight.sources.texts import STANDARD_INPUT, texts


def read(
    names: Iterable[str], kustomizations: Iterable[str] = (), *, is_recursive: bool = False
) -> tuple[Manifest, ...]:
    """Return all objects of files, folders, `-` and revisions, then of kustomizations. Items of lists are objects too.

    Raises NothingThereError where a name means nothing or there is no object nor a List, else ManifestError.
    """
    given, folders = tuple(names), tuple(kustomizations)
    try:
        sources = tuple(_sources(given, folders, is_recursive))
        found = tuple(one for text in sources for one in objects(text))
    except AbsentError as error:
        raise NothingThereError(str(error)) from None
    except SourceError as error:
        raise ManifestError(str(error)) from None
    if not found and not any(map(has_list, sources)):
        shown = ", ".join((*given, *(f"-k {one}" for one in folders)))
        if given == (STANDARD_INPUT,) and not folders:
            raise NothingThereError("standard input: there is no object: see whether its program failed")
        raise NothingThereError(f"{shown}: there is no object: name files that end in {', '.join(SUFFIXES)}")
    return found


def _sources(names: tuple[str, ...], kustomizations: tuple[str, ...], is_recursive: bool) -> Iterator[Text]:
    yield from texts(names, is_recursive=is_recursive)
    if kustomizations:
        from podwire.insight.sources.kustomization import rendered

        yield from map(rendered, kustomizations)
