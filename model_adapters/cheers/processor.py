"""From questions, instructions and images to prompts, and from ids to text."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.images import dummy_pixels, for_understanding
from model_adapters.cheers.prompt import Prompt, PromptForm
from model_adapters.cheers.sequence import LayoutError, count_images
from model_adapters.cheers.template import Message, render, with_images
from model_adapters.cheers.tokenizer import CheersTokenizer

FIXED_DUMMY_SEED = 0
"""The seed of the one dummy image of the prompt form `fixed-dummy`."""


class CheersProcessor:
    """Builds prompts.

    Args:
        config: the model's configuration.
        tokenizer: its tokenizer.
    """

    def __init__(self, config: CheersConfig, tokenizer: CheersTokenizer) -> None:
        self.config = config
        self.tokenizer = tokenizer

    def answer_prompt(
        self,
        question: str,
        images: Sequence[Image.Image] = (),
        *,
        seed: int = 0,
        form: PromptForm | str = PromptForm.DUMMY,
    ) -> Prompt:
        """A question, about images or none, whose answer is text.

        Args:
            question: the question; the images are shown before it.
            images: images of any size and mode.
            seed: seed of the dummy image, where there is no other.
            form: what stands in front of a prompt without images.
        """
        message = Message(role="user", content=with_images(question, len(images)))
        return self.chat_prompt([message], images, seed=seed, form=form)

    def image_prompt(
        self,
        instruction: str,
        images: Sequence[Image.Image] = (),
        *,
        seed: int = 0,
        form: PromptForm | str = PromptForm.DUMMY,
    ) -> Prompt:
        """An instruction to draw, or with a source image to edit: it ends in `<im_start>`."""
        prompt = self.answer_prompt(instruction, images, seed=seed, form=form)
        return prompt._replace(ids=[*prompt.ids, self.config.special_token_ids.im_start])

    def chat_prompt(
        self,
        messages: Sequence[Message],
        images: Sequence[Image.Image] = (),
        *,
        seed: int = 0,
        form: PromptForm | str = PromptForm.DUMMY,
    ) -> Prompt:
        """A whole conversation, whose messages hold one `<image>` for each image.

        Raises:
            LayoutError: the conversation has another number of `<image>` than images came.
        """
        ids = self.tokenizer.encode(render(messages))
        placed = count_images(ids, self.config.special_token_ids)
        if placed != len(images):
            raise LayoutError(
                f"the conversation holds {placed} <image> placeholders but {len(images)} images "
                f"came; a text that quotes <image> must be escaped"
            )
        side = self.config.image_size
        pixels = tuple(for_understanding(image, side) for image in images)
        return self.with_form(Prompt(ids, pixels), seed=seed, form=form)

    def with_form(
        self, prompt: Prompt, *, seed: int = 0, form: PromptForm | str = PromptForm.DUMMY
    ) -> Prompt:
        """The prompt with the dummy image that its form asks for; none where it has images."""
        form = PromptForm(form)
        if prompt.pixels or form is PromptForm.NO_DUMMY:
            return prompt._replace(dummy=None)
        chosen = FIXED_DUMMY_SEED if form is PromptForm.FIXED_DUMMY else seed
        return prompt._replace(dummy=dummy_pixels(self.config.image_size, chosen))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of generated ids, without tokens that have a meaning."""
        return self.tokenizer.decode(ids)
