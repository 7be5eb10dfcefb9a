"""The languages of clients that people already have, each a thin translation onto the same jobs; here is their list."""

from fastapi import APIRouter

from app.dialects import automatic1111
from app.dialects.openai import routes as openai

ROUTERS: tuple[APIRouter, ...] = (openai.router, *automatic1111.ROUTERS)
