"""The tokens of texts, chats and recorded replies, and which of them are scored."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.document_tokens import DocumentTokens, document_tokens
from logit_amp_chat.core.models.vocabulary import TokenBytes
from logit_amp_chat.core.reading import Chat, Content, PlainText, Recorded, Score
from logit_amp_chat.core.records import Message, PromptIds
from logit_amp_chat.core.transcripts.reply_text import ReplyText
from tests.core.models.template_families import (
    CHATML,
    DEEPSEEK,
    FAMILIES,
    GENERATION,
    LLAMA,
    MISTRAL,
    QWEN,
    Family,
    conversation,
)
from tests.core.models.tiny_tokenizers import (
    byte_level,
    literal_tokens,
    sentencepiece_bpe,
    unigram,
    with_names,
    wordpiece,
)

MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
NAMES = (
    *("<|im_start|>", "<|im_end|>", "<|begin|>", "<|start|>", "<|stop|>", "<|eot|>", "<bos>"),
    *("<start_of_turn>", "<end_of_turn>", "<s>", "</s>", "[INST]", "[/INST]", "<｜begin｜>"),
    *("<｜User｜>", "<｜Assistant｜>", "<｜end｜>"),
)
TOKENIZER = with_names(byte_level(), *NAMES)
SENTENCEPIECE = sentencepiece_bpe()
TALK = conversation(
    ("system", "Be kind."),
    ("user", "the sea"),
    ("assistant", "fish and crabs"),
    ("user", "user"),
    ("assistant", "the sun"),
)
HOSTILE = (
    *("user", "assistant", "\n", " ", "  sea", "\x1b[31m", "\0", "<|im_end|>", "<|im_start|>user"),
    *("🙂", "日", "e\u0301", "שלום", "\u202e", "\ue000", "{{ x }}", "[/INST]", "the", "</s>"),
)
TEXTS = st.lists(st.sampled_from(HOSTILE), max_size=5).map("".join)


def end_ids(family: Family, tokenizer: Any = TOKENIZER) -> frozenset[int]:
    return frozenset({tokenizer.convert_tokens_to_ids(family.end)})


def read(
    content: Content,
    template: str | None = None,
    tokenizer: Any = TOKENIZER,
    system: tuple[str | None, str | None] = (None, None),
    end_of_turn: frozenset[int] = frozenset(),
) -> DocumentTokens:
    return document_tokens(
        content,
        MOMENT,
        chat=ChatTemplate(tokenizer, template, system),
        token_bytes=TokenBytes(tokenizer),
        end_of_turn=end_of_turn,
    )


def read_chat(
    family: Family,
    messages: Sequence[Message],
    score: Score = "assistant",
    system: tuple[str | None, str | None] = (None, None),
) -> DocumentTokens:
    content = Chat(messages=tuple(messages), score=score)
    return read(content, family.template, system=system, end_of_turn=end_ids(family))


def words(document: DocumentTokens) -> list[str]:
    return [document.text[start:end] for start, end in document.offsets]


def scored_text(document: DocumentTokens) -> str:
    """What the scored tokens say; right only where none of them share a character."""
    pairs = zip(words(document), document.scored, strict=True)
    return "".join(word for word, scored in pairs if scored)


class TestPlainText:
    def test_it_is_the_text_after_a_beginning_of_text(self) -> None:
        found = read(PlainText(text="a bb"), tokenizer=SENTENCEPIECE)
        assert found.text == "a bb"
        assert found.prompt == PromptIds((1,), (1,))
        assert list(found.tokens) == SENTENCEPIECE("a bb", add_special_tokens=False)["input_ids"]
        assert words(found) == ["a", " b", "b"]
        assert found.scored == (True, True, True)
        assert not found.spans

    def test_without_one_the_first_token_has_nothing_before_it(self) -> None:
        found = read(PlainText(text="the sea"))
        assert found.prompt == PromptIds((), ())
        assert found.scored == (False, *[True] * (len(found.tokens) - 1))

    def test_a_beginning_of_text_in_the_text_is_not_there_twice(self) -> None:
        found = read(PlainText(text="<s>a"), tokenizer=SENTENCEPIECE)
        assert found.prompt == PromptIds((1,), (1,))
        assert found.tokens == tuple(SENTENCEPIECE("a", add_special_tokens=False)["input_ids"])
        assert found.offsets == ((3, 4),)

    @pytest.mark.parametrize("tokenizer", [TOKENIZER, SENTENCEPIECE], ids=["without", "with"])
    @pytest.mark.parametrize("text", ["the <|im_end|> sea", "</s>", "a\n", "", "🙂"])
    def test_its_ids_are_those_of_a_raw_prompt(self, tokenizer: Any, text: str) -> None:
        found = read(PlainText(text=text), tokenizer=tokenizer)
        said = [Message(id="m0", parent=None, role="user", text=text)]
        ids = (*found.prompt.after, *found.tokens)
        if ids:
            assert ids == ChatTemplate(tokenizer, None, (None, None)).prompts(said, raw=True).after

    @pytest.mark.parametrize("make", [byte_level, wordpiece])
    def test_a_text_longer_than_the_context_is_no_reason_for_a_warning(self, make: Any) -> None:
        tokenizer = make()
        tokenizer.model_max_length = 2
        said: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = said.append  # type: ignore[assignment, method-assign]
        logging.getLogger("transformers").addHandler(handler)
        try:
            found = read(PlainText(text="The sea and the sun"), tokenizer=tokenizer)
        finally:
            logging.getLogger("transformers").removeHandler(handler)
        assert len(found.tokens) > 2
        assert not said

    def test_an_empty_text_has_no_tokens(self) -> None:
        found = read(PlainText(text=""), tokenizer=SENTENCEPIECE)
        assert (found.tokens, found.offsets, found.scored) == ((), (), ())

    @pytest.mark.parametrize("tokenizer", [wordpiece(), unigram()], ids=["wordpiece", "unigram"])
    def test_tokenizers_that_rewrite_keep_the_texts_own_characters(self, tokenizer: Any) -> None:
        found = read(PlainText(text="  The SEA ﬁ"), tokenizer=tokenizer)
        assert found.text == "  The SEA ﬁ"
        assert {*"TheSEAﬁ"} <= {*"".join(words(found))}

    @pytest.mark.parametrize("text", ["ab\ud800c", "\udc00"])
    def test_half_of_a_surrogate_pair_is_refused_with_its_place(self, text: str) -> None:
        place = 1 + next(n for n, c in enumerate(text) if "\ud800" <= c <= "\udfff")
        with pytest.raises(LogitAmpError, match=f"character {place} is half of a surrogate pair"):
            read(PlainText(text=text))


class Said(NamedTuple):
    """A token as a step of a reply has it."""

    text: str
    bytes: str | None
    special: bool


class TestRecorded:
    PROMPT = PromptIds((5, 6), (7,))

    def test_the_tokens_are_read_as_they_are(self) -> None:
        # Not the ids that the tokenizer makes of this text.
        ids = tuple(TOKENIZER.convert_tokens_to_ids(["s", "e", "a"]))
        found = read(Recorded(prompt=self.PROMPT, tokens=ids))
        assert (found.prompt, found.tokens, found.text) == (self.PROMPT, ids, "sea")
        assert found.offsets == ((0, 1), (1, 2), (2, 3))
        assert found.scored == (True, True, True)

    def test_special_tokens_add_nothing_to_the_text(self) -> None:
        (end,) = end_ids(CHATML)
        (sea,) = TOKENIZER("ea", add_special_tokens=False)["input_ids"]
        found = read(Recorded(prompt=self.PROMPT, tokens=(sea, end)))
        assert (found.text, found.offsets) == ("ea", ((0, 2), (2, 2)))
        assert found.scored == (True, True)

    def test_bytes_that_are_no_character_are_a_replacement(self) -> None:
        first = TOKENIZER("日", add_special_tokens=False)["input_ids"][0]
        found = read(Recorded(prompt=self.PROMPT, tokens=(first, first)))
        assert (found.text, found.offsets) == ("\ufffd\ufffd", ((0, 1), (1, 2)))

    @given(ids=st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=8))
    @settings(max_examples=100, deadline=None)
    def test_its_text_is_that_of_a_reply_of_these_tokens(self, ids: list[int]) -> None:
        reply, names = ReplyText(), TokenBytes(TOKENIZER)
        said = "".join(reply.add(Said(*names.describe(i))) for i in ids) + reply.finish()
        assert read(Recorded(prompt=self.PROMPT, tokens=tuple(ids))).text == said

    @pytest.mark.parametrize("token", [-1, 1 << 40])
    def test_a_number_that_is_no_id_is_refused(self, token: int) -> None:
        with pytest.raises(LogitAmpError, match=f"{token} is no token's id"):
            read(Recorded(prompt=self.PROMPT, tokens=(5, token)))

    def test_without_a_prompt_the_first_token_is_not_scored(self) -> None:
        found = read(Recorded(prompt=PromptIds((), ()), tokens=(5, 6)))
        assert found.scored == (False, True)


class TestChat:
    @pytest.mark.parametrize("family", [*FAMILIES, GENERATION], ids=lambda family: family.name)
    def test_its_ids_are_those_of_the_rendering(self, family: Family) -> None:
        found = read_chat(family, TALK)
        text = "".join(piece for piece, _ in family.by_hand(TALK))
        ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
        assert (found.text, [*found.tokens]) == (text, ids)
        assert found.prompt == PromptIds((), ())

    @pytest.mark.parametrize(
        "family", [CHATML, LLAMA, *FAMILIES[2:5], GENERATION], ids=lambda family: family.name
    )
    def test_up_to_a_reply_they_are_the_prompt_that_asked_for_it(self, family: Family) -> None:
        found = read_chat(family, TALK)
        chat = ChatTemplate(TOKENIZER, family.template, (None, None))
        start = found.spans[-1][2]
        first = next(n for n, (_, end) in enumerate(found.offsets) if end > start)
        asked = chat.prompts(TALK[:-1], raw=False, moment=MOMENT)
        assert found.tokens[:first] == asked.after
        assert found.scored[first:].count(True) >= 2
        assert found.scored[first]

    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
    def test_the_assistants_words_and_the_end_of_each_turn_are_scored(self, family: Family) -> None:
        # Mistral writes a space before a reply, which is of the reply's first token.
        space = " " if family is MISTRAL else ""
        said = f"{space}fish and crabs{family.end}{space}the sun{family.end}"
        assert scored_text(read_chat(family, TALK)) == said

    @pytest.mark.parametrize("family", [CHATML, LLAMA], ids=lambda family: family.name)
    def test_of_other_roles_the_words_alone(self, family: Family) -> None:
        assert scored_text(read_chat(family, TALK, "user")) == "the seauser"
        assert scored_text(read_chat(family, TALK, "system")) == "Be kind."

    def test_all_is_every_token_after_the_first(self) -> None:
        found = read_chat(CHATML, TALK, "all")
        assert found.scored == (False, *[True] * (len(found.tokens) - 1))

    def test_the_beginning_of_text_is_there_once_and_not_scored(self) -> None:
        for template in (
            None,
            "<s>{{ messages[0]['content'] }}</s>",
            "{{ messages[0]['content'] }}",
        ):
            content = Chat(messages=conversation(("user", "a b")), score="all")
            found = read(content, template, SENTENCEPIECE)
            assert found.prompt == PromptIds((1,), (1,))
            assert 1 not in found.tokens
            assert all(found.scored)

    def test_spans_are_the_messages(self) -> None:
        found = read_chat(CHATML, TALK, "user")
        said = [(n, role, found.text[start:end]) for n, role, start, end in found.spans]
        assert said == [(n, m.role, m.text) for n, m in enumerate(TALK)]

    def test_an_end_of_turn_counts_only_directly_after_a_reply(self) -> None:
        (end,) = end_ids(CHATML)
        template = "{% for m in messages %}{{ m['content'] + '\n<|im_end|>' }}{% endfor %}"
        content = Chat(messages=conversation(("user", "sea"), ("assistant", "ea")))
        assert end not in _scored_ids(read(content, template, end_of_turn=frozenset({end})))
        assert end not in _scored_ids(read(content, CHATML.template))
        assert _scored_ids(read_chat(CHATML, content.messages))[-1] == end

    def test_of_an_empty_reply_its_end_is_scored(self) -> None:
        found = read_chat(CHATML, conversation(("user", "sea"), ("assistant", "")))
        assert scored_text(found) == "<|im_end|>"

    def test_a_template_with_a_clock_writes_the_moment(self) -> None:
        content = Chat(messages=TALK, score="all")
        found = read(content, "{{ strftime_now('%d %B %Y') }}{{ messages[0]['content'] }}")
        assert found.text == "03 February 2026Be kind."

    def test_marks_of_the_template_decide_what_the_assistant_said(self) -> None:
        header = GENERATION.template.replace("{% generation %}", "{% generation %}thus: ")
        content = Chat(messages=TALK)
        found = read(content, header, end_of_turn=end_ids(CHATML))
        assert scored_text(found).startswith("thus: fish and crabs<|im_end|>thus: the sun")
        assert scored_text(read(Chat(messages=TALK, score="user"), header)) == "the seauser"

    @pytest.mark.parametrize("score", ["assistant", "user", "system"])
    @given(texts=st.lists(TEXTS, min_size=5, max_size=5))
    @settings(max_examples=100, deadline=None)
    def test_hostile_text_moves_nothing(self, score: Score, texts: list[str]) -> None:
        messages = conversation(*((m.role, t) for m, t in zip(TALK, texts, strict=True)))
        found = read_chat(CHATML, messages, score)
        wanted, ends, said = set(), set(), set()  # characters
        at = 0
        for piece, number in CHATML.by_hand(messages):
            here = {*range(at, at + len(piece))}
            at += len(piece)
            if number is not None:
                said |= here
            if number is not None and messages[number].role == score:
                wanted |= here
                ends |= {at} if score == "assistant" else set()
        (end,) = end_ids(CHATML)
        own = literal_tokens(found.text, TOKENIZER, NAMES, said)
        assert [*found.tokens] == [token for token, _, _ in own]
        assert [*found.offsets] == [(a, b) for _, a, b in own]
        expected = [
            bool(wanted & {*range(a, b)}) or (token == end and a in ends) for token, a, b in own
        ]
        assert [*found.scored] == expected


def _scored_ids(document: DocumentTokens) -> list[int]:
    pairs = zip(document.tokens, document.scored, strict=True)
    return [token for token, scored in pairs if scored]


class TestSystemPromptsOfTheSides:
    OWN = ("be brief", "be very kind")
    ALIKE = ("long and brief.", "be brief.")

    @pytest.mark.parametrize("family", [CHATML, LLAMA, QWEN], ids=lambda family: family.name)
    def test_the_prompt_is_what_differs(self, family: Family) -> None:
        found = read_chat(family, TALK, system=self.OWN)
        for side, system in zip((found.prompt.before, found.prompt.after), self.OWN, strict=True):
            messages = (*conversation(("system", system)), *TALK[1:])
            text = "".join(piece for piece, _ in family.by_hand(messages))
            ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
            assert [*side, *found.tokens] == ids
        assert scored_text(found) == f"fish and crabs{family.end}the sun{family.end}"

    def test_the_prompt_is_whole_where_the_sides_end_alike(self) -> None:
        found = read_chat(CHATML, TALK, system=self.ALIKE)
        for side, system in zip((found.prompt.before, found.prompt.after), self.ALIKE, strict=True):
            text = f"<|im_start|>system\n{system}<|im_end|>"
            assert [*side] == TOKENIZER(text, add_special_tokens=False)["input_ids"]
        assert scored_text(found) == "fish and crabs<|im_end|>the sun<|im_end|>"

    def test_one_side_alone_may_have_one(self) -> None:
        found = read_chat(CHATML, TALK[1:], system=(None, "be kind"))
        assert found.text.startswith("<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user")
        plain = read_chat(CHATML, TALK[1:])
        assert (*found.prompt.before, *found.tokens) == plain.tokens
        assert [n for n, *_ in found.spans] == [0, 1, 2, 3]

    def test_what_is_said_before_a_late_system_prompt_is_refused_or_left_out(self) -> None:
        with pytest.raises(LogitAmpError, match=r"after message 3 \(assistant\) of 5.*--score all"):
            read_chat(MISTRAL, TALK, system=self.OWN)
        found = read_chat(MISTRAL, TALK, "all", system=self.OWN)
        assert all(found.scored)
        assert "".join(words(found)).endswith("\n\nuser[/INST] the sun</s>")

    def test_a_system_prompt_that_is_replaced_cannot_be_scored(self) -> None:
        for system in (self.OWN, ("be kind", "be kind")):
            with pytest.raises(LogitAmpError, match="profile has one of its own"):
                read_chat(CHATML, TALK, "system", system=system)


class TestRefused:
    def test_a_chat_without_a_message_of_the_scored_role(self) -> None:
        with pytest.raises(LogitAmpError, match="no system message to score"):
            read_chat(CHATML, TALK[1:], "system")

    def test_a_chat_without_messages(self) -> None:
        with pytest.raises(LogitAmpError, match="no messages"):
            read_chat(CHATML, (), "all")

    @pytest.mark.parametrize("family", [DEEPSEEK, QWEN], ids=lambda family: family.name)
    def test_a_reply_that_the_template_rewrites_unless_all_is_scored(self, family: Family) -> None:
        messages = conversation(
            *(("user", "2 + 2"), ("assistant", "<think>\nhm\n</think>\n\nfour")),
            *(("user", "5 + 5"), ("assistant", "ten")),
        )
        with pytest.raises(LogitAmpError, match=r"message 2 \(assistant\) of 4.*--score all"):
            read_chat(family, messages)
        assert scored_text(read_chat(family, messages, "user")) == "2 + 25 + 5"
        assert True in read_chat(family, messages, "all").scored

    def test_messages_that_the_template_refuses(self) -> None:
        with pytest.raises(LogitAmpError, match="must alternate"):
            read_chat(FAMILIES[2], TALK[2:])

    def test_half_of_a_surrogate_pair(self) -> None:
        with pytest.raises(LogitAmpError, match="half of a surrogate pair"):
            read_chat(CHATML, conversation(("user", "\ud800"), ("assistant", "hi")))
