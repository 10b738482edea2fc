"""The manual says what the API says, and lets its readers test themselves."""

import re
from pathlib import Path

import pytest

MANUAL = Path(__file__).parent.parent / "docs" / "manual"
CHAPTERS = sorted(path.stem for path in MANUAL.glob("*.md") if path.stem != "index")
QUESTIONS = 5
# Words for what the API calls add, remove, activate, cancel, deactivate; and names of old.
STRANGE = re.compile(
    r"\b(?:"
    r"(?:en|dis)able[sd]?|turn(?:s|ed)? (?:on|off)|unset|"
    r"drop(?:s|ped)?|trigger(?:s|ed)?|fire[sd]?|"
    r"AddErr|NewMachine|WhenNot|ctx\.Done|goroutines?|mutex"
    r")\b"
)


def text(chapter: str) -> str:
    return (MANUAL / f"{chapter}.md").read_text()


def prose(chapter: str) -> str:
    return re.sub(r"^```.*?^```", "", text(chapter), flags=re.DOTALL | re.MULTILINE)


def items(part: str) -> list[str]:
    return re.findall(r"^\d\. ", part, flags=re.MULTILINE)


def test_the_index_leads_to_every_chapter() -> None:
    found = re.findall(r"^\d+\. \[.*?\]\((.*?)\.md\)", text("index"), flags=re.MULTILINE)
    assert sorted(found) == CHAPTERS
    assert len(CHAPTERS) >= 6


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_is_run_from_its_first_block_to_its_last(chapter: str) -> None:
    page = text(chapter)
    assert page.count("```python\n") >= 6
    assert "<!-- skip" not in page
    assert page.count("assert ") >= page.count("```python\n")  # what is said is also checked


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_ends_with_questions_and_their_answers(chapter: str) -> None:
    questions, _, answers = text(chapter).partition("## Questions")[2].partition("<details>")
    assert len(items(questions)) == len(items(answers)) == QUESTIONS


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_uses_the_words_of_the_api(chapter: str) -> None:
    assert STRANGE.findall(prose(chapter)) == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_links_to_headings_lead_to_headings(chapter: str) -> None:
    for page, anchor in re.findall(r"\]\(([a-z-]*)(?:\.md)?#([a-z-]+)\)", text(chapter)):
        headings = re.findall(r"^#+ (.*)$", text(page or chapter), flags=re.MULTILINE)
        assert anchor in [re.sub(r"[^a-z -]", "", h.lower()).replace(" ", "-") for h in headings]
