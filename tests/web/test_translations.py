"""The Chinese catalogue is whole, and what is compiled is what is written."""

import gettext
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
FILES = ROOT / "mealquest" / "translations" / "zh_Hans" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")
ADVICE = "run `make messages`, then fill in mealquest/translations/zh_Hans/LC_MESSAGES/messages.po"


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    with (FILES / "messages.po").open("rb") as file:
        return read_po(file, locale="zh_Hans")


def marked() -> set[str]:
    """Every string that code and templates mark for translation; of plurals the singular."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = DEFAULT_KEYWORDS | {"lazy_gettext": None}
    found = set()
    for folder in ("mealquest", "templates"):
        relative = [(pattern.removeprefix(f"{folder}/"), method) for pattern, method in methods]
        for _file, _line, message, *_rest in extract_from_dir(
            ROOT / folder,
            relative,
            {p.removeprefix(f"{folder}/"): o for p, o in options.items()},
            keywords,
        ):
            found.add(message if isinstance(message, str) else message[0])
    return found


def strings(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


def test_every_marked_string_is_in_the_catalogue_and_nothing_else(catalogue):
    written = {m.id if isinstance(m.id, str) else m.id[0] for m in catalogue if m.id}
    assert len(written) > 300
    assert sorted(marked() - written) == [], ADVICE
    assert sorted(written - marked()) == [], ADVICE


def test_nothing_is_left_empty_or_fuzzy(catalogue):
    open_ends = [m.id for m in catalogue if m.id and (m.fuzzy or not all(strings(m)))]
    assert open_ends == []


def test_a_translation_fills_in_what_its_original_fills_in(catalogue):
    for message in catalogue:
        if not message.id:
            continue
        originals = [message.id] if isinstance(message.id, str) else list(message.id)
        wanted = set(PLACEHOLDER.findall(originals[-1]))
        for text in strings(message):
            assert set(PLACEHOLDER.findall(text)) == wanted, message.id


def test_what_is_compiled_is_what_is_written(catalogue):
    with (FILES / "messages.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in catalogue:
        if not message.id:
            continue
        if isinstance(message.id, str):
            assert compiled.gettext(message.id) == message.string, ADVICE
        else:
            for count in (1, 2):
                assert compiled.ngettext(*message.id, count) == strings(message)[0], ADVICE


def test_every_reader_gets_words_and_sums_in_their_own_language(client):
    """Whoever came first: a template that is compiled once must not keep one language's sums."""
    for locale, heading, sum_ in (
        ("en", "See every cent explained.", "CNY 52.00"),
        ("zh_Hans", "每一分钱都清楚。", "¥52.00"),
        ("en", "See every cent explained.", "CNY 52.00"),
    ):
        client.set_cookie("mq_locale", locale)
        page = client.get("/").text
        assert heading in page
        assert sum_ in page
