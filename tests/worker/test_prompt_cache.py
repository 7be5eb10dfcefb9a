"""Each prompt is encoded once while it is remembered."""

from tests.worker.engines import Wrapped, asked, engine_of
from worker.lexicon import PLAIN, Lexicon
from worker.prompt_cache import PromptCache
from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline


class CountsPrompts(Wrapped):
    def __init__(self, inner: StepwisePipeline) -> None:
        super().__init__(inner)
        self.encoded: list[tuple[str, bool]] = []

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        self.encoded.append((prompt, negative))
        return super().encode_prompt(prompt, negative=negative, lexicon=lexicon)


def test_the_images_of_a_job_share_their_prompts(pipeline: StepwisePipeline) -> None:
    counting = CountsPrompts(pipeline)
    engine = engine_of(counting)
    for seed in range(16):
        engine.add(str(seed), asked(seed=seed))
    assert sorted(counting.encoded) == [("", True), ("a red apple", False)]


def test_what_was_used_longest_ago_is_forgotten(pipeline: StepwisePipeline) -> None:
    counting = CountsPrompts(pipeline)
    cache = PromptCache(max_bytes=2 * counting.encode_prompt("", negative=False).prompt_embeds.nbytes)
    counting.encoded.clear()
    for prompt in ("first", "second", "first", "third", "first", "second"):
        cache.encode_prompt(counting, prompt, negative=False)
    assert [prompt for prompt, _ in counting.encoded] == ["first", "second", "third", "second"]


class ReadsOtherwise(CountsPrompts):
    """A model with another text encoder."""

    @property
    def text_digest(self) -> str:
        return "another"


def test_models_share_prompts_if_they_share_the_text_encoder(pipeline: StepwisePipeline) -> None:
    cache = PromptCache()
    one = cache.encode_prompt(pipeline, "a fox", negative=False)
    assert cache.encode_prompt(CountsPrompts(pipeline), "a fox", negative=False) is one
    assert cache.encode_prompt(ReadsOtherwise(pipeline), "a fox", negative=False) is not one
    assert cache.encode_prompt(pipeline, "a fox", negative=True) is not one


def test_the_last_prompt_is_kept_whatever_its_size(pipeline: StepwisePipeline) -> None:
    cache = PromptCache(max_bytes=1)
    embeds = cache.encode_prompt(pipeline, "a fox", negative=False)
    assert cache.encode_prompt(pipeline, "a fox", negative=False) is embeds
