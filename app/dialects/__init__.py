"""The languages of clients that people already have, each a thin translation onto the same jobs; here is their list."""

from fastapi import APIRouter

from app.dialects import automatic1111
from app.dialects.openai import routes as openai
from app.webhooks.bodies import Bodies

ROUTERS: tuple[APIRouter, ...] = (openai.router, *automatic1111.ROUTERS)

WEBHOOK_BODIES: Bodies = {}
"""The bodies that dialects' clients expect of webhooks, by the name in `Webhook.body`."""
