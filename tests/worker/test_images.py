"""A file is the same bytes every time, and says how it was made."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from contract.infotext import infotext
from contract.request import MAX_SEED, OutputFormat
from tests.worker.engines import asked
from worker.images import Pixels, encode, encode_preview, pixels_of, read_request, read_texts

FORMATS: tuple[OutputFormat, ...] = ("png", "jpeg", "webp")


@pytest.fixture
def pixels() -> Pixels:
    drawn: Pixels = np.random.default_rng(0).integers(0, 256, (96, 160, 3), dtype=np.uint8)
    return drawn


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_request_can_be_read_back(pixels: Pixels, output_format: OutputFormat) -> None:
    request = asked(
        prompt='a "réd" 🍎\n', seed=MAX_SEED, guidance_scale=2.1, output_format=output_format, metadata={"order": "4²"}
    )
    assert read_request(encode(pixels, request)) == request


def test_png_carries_the_largest_request_and_every_pixel(pixels: Pixels) -> None:
    request = asked(prompt="\x01" * 2000, metadata={f"key {index}": "\x01" * 512 for index in range(16)})
    encoded = encode(pixels, request)
    assert read_request(encoded) == request
    with Image.open(io.BytesIO(encoded)) as picture:
        assert np.array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize("output_format", FORMATS)
def test_further_texts_travel_beside_the_request(pixels: Pixels, output_format: OutputFormat) -> None:
    request = asked(prompt="два 🍎\nи лист", output_format=output_format)
    texts = {"safelight-certificate": '{"größe":\n4}', "note": ""}
    encoded = encode(pixels, request, texts)
    assert read_request(encoded) == request
    assert {keyword: read_texts(encoded)[keyword] for keyword in texts} == texts


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_texts_too_large_for_exif_are_left_out_before_the_request(pixels: Pixels, output_format: OutputFormat) -> None:
    request = asked(output_format=output_format)
    encoded = encode(pixels, request, {"note": "x" * 60_000})
    assert read_request(encoded) == request
    assert "note" not in read_texts(encoded)


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_a_request_too_large_for_exif_is_left_out(pixels: Pixels, output_format: OutputFormat) -> None:
    metadata = {f"key {index}": "\x01" * 512 for index in range(16)}
    request = asked(prompt="\x01" * 2000, output_format=output_format, metadata=metadata)
    assert read_request(encode(pixels, request)) is None


@pytest.mark.parametrize("output_format", FORMATS)
def test_every_file_says_in_automatic1111s_words_how_it_was_made(pixels: Pixels, output_format: OutputFormat) -> None:
    request = asked(prompt='a "réd" 🍎', output_format=output_format)
    with Image.open(io.BytesIO(encode(pixels, request))) as picture:
        if output_format == "png":
            found = picture.info["parameters"]
        else:
            comment = picture.getexif().get_ifd(0x8769)[0x9286]
            assert comment[:8] == b"UNICODE\0"
            found = comment[8:].decode("utf-16-be")
    assert found == infotext(request)


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_bytes_are_the_same_every_time(pixels: Pixels, output_format: OutputFormat) -> None:
    request = asked(output_format=output_format)
    assert encode(pixels, request) == encode(pixels.copy(), request)


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_format_is_the_one_asked_for(pixels: Pixels, output_format: OutputFormat) -> None:
    with Image.open(io.BytesIO(encode(pixels, asked(output_format=output_format)))) as picture:
        assert picture.format == output_format.upper()
        assert picture.size == (160, 96)


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_a_lower_quality_makes_a_smaller_file(pixels: Pixels, output_format: OutputFormat) -> None:
    sizes = [
        len(encode(pixels, asked(output_format=output_format, output_quality=quality)))
        for quality in (0, 50, None, 100)
    ]
    assert sizes == sorted(set(sizes))


def test_a_picture_of_somebody_else_has_no_request(pixels: Pixels) -> None:
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "png")
    assert read_request(output.getvalue()) is None
    assert read_texts(output.getvalue()) == {}


@pytest.mark.parametrize(("shape", "size"), [((96, 160), (128, 77)), ((40, 24), (24, 40)), ((512, 256), (64, 128))])
def test_previews_are_small(shape: tuple[int, int], size: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(encode_preview(np.zeros((*shape, 3), dtype=np.uint8)))) as picture:
        assert picture.format == "JPEG"
        assert picture.size == size


def test_pixels_are_clamped_and_rounded() -> None:
    decoded = torch.tensor([-2.0, -1.0, 0.0, 0.999, 3.0]).expand(1, 3, 1, 5)
    assert pixels_of(decoded)[0, :, 0].tolist() == [0, 0, 128, 255, 255]
