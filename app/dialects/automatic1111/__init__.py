"""AUTOMATIC1111's HTTP API under `/sdapi/v1/`: what clients ask for, as jobs of ours; what we cannot do, refused."""

from fastapi import APIRouter

from app.dialects.automatic1111 import catalogue, extras, generation, machine, options, progress, reading

router = APIRouter()
for part in (generation, progress, options, catalogue, extras, reading, machine):
    router.include_router(part.router)
