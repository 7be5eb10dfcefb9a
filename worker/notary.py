"""From a picture to its file with a receipt in it: what a receipt says of how the picture was made."""

import hashlib
import io
from collections.abc import Mapping

import diffusers
import numpy as np
import torch
import transformers
from PIL import Image
from PIL import __version__ as pillow

from contract.artifact import MEDIA_TYPES
from contract.catalogue import Catalogue
from contract.receipt_keys import PrivateKey
from contract.receipts import Receipt, sign
from contract.request import CompleteRequest
from contract.sealed_files import pixels_digest, with_receipt
from contract.versions import SAFELIGHT
from worker.events import Picture
from worker.guiders import classifiers_of
from worker.images import Pixels, encode
from worker.manifests import ManifestWriter
from worker.png import PACKED_BY
from worker.self_report import said_of, texts_of

VERSIONS = {
    "safelight": SAFELIGHT,
    "torch": torch.__version__,
    "diffusers": diffusers.__version__,
    "transformers": transformers.__version__,
    "numpy": np.__version__,
    "pillow": pillow,
    "deflate": PACKED_BY,
}
"""What decides pixels and bytes."""


class Notary:
    """For the one thread that writes files."""

    def __init__(self, key: PrivateKey, catalogue: Catalogue, manifests: ManifestWriter | None = None) -> None:
        self._key = key
        self._catalogue = catalogue
        self._manifests = manifests

    def file(
        self,
        picture: Picture,
        shown: Pixels,
        request: CompleteRequest,
        inputs: Mapping[str, bytes],
        changes: tuple[str, ...] = (),
    ) -> bytes:
        """The file of a request's one image; `inputs` has the bytes of the files that the request names.

        `shown` is what the changes have left of the picture.
        """
        bare = encode(shown, request, texts_of(picture))
        height, width = shown.shape[:2]
        receipt = Receipt(
            request=request,
            media_type=MEDIA_TYPES[request.output_format],
            width=width,
            height=height,
            pixels_sha256=pixels_digest(width, height, _decoded(shown, bare, request)),
            content_sha256=hashlib.sha256(bare).hexdigest(),
            weights_sha256=picture.ingredients.weights,
            text_sha256=picture.ingredients.text,
            files=self._files(picture, request, inputs),
            versions=VERSIONS,
            certificate=said_of(picture),
            changes=changes,
            c2pa=self._manifests is not None,
        )
        signed = with_receipt(bare, sign(receipt, self._key))
        return signed if self._manifests is None else self._manifests.written(signed, receipt.media_type)

    def _files(self, picture: Picture, request: CompleteRequest, inputs: Mapping[str, bytes]) -> dict[str, str]:
        """Digests of what the request names beside its model, in the order of the ids."""
        read = {file_id: hashlib.sha256(content).hexdigest() for file_id, content in inputs.items()}
        followed = {name: self._catalogue.classifier(name).sha256 for name in classifiers_of(request)}
        return dict(sorted({**read, **followed, **picture.ingredients.adapters}.items()))


def _decoded(pixels: Pixels, encoded: bytes, request: CompleteRequest) -> bytes:
    """The pixels that readers of the file get: jpeg and webp do not keep all of them."""
    if request.output_format == "png":
        return pixels.tobytes()
    with Image.open(io.BytesIO(encoded)) as picture:
        return picture.convert("RGB").tobytes()
