"""AUTOMATIC1111's HTTP API under `/sdapi/v1/`: what clients ask for, as jobs of ours; what we cannot do, refused."""

from fastapi import APIRouter

from app.dialects.automatic1111 import catalogue, extras, generation, machine, options, progress, reading

ROUTERS: tuple[APIRouter, ...] = (
    generation.router,
    progress.router,
    options.router,
    catalogue.router,
    extras.router,
    reading.router,
    machine.router,
)
