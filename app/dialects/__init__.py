"""The languages of clients that people already have, each a thin translation onto the same jobs; here is their list."""

from functools import partial

from fastapi import APIRouter

from app.dialects import automatic1111, replicate
from app.dialects.openai import routes as openai
from app.dialects.replicate import webhooks
from app.webhooks.bodies import Bodies
from contract.catalogue import Catalogue

ROUTERS: tuple[APIRouter, ...] = (openai.router, *automatic1111.ROUTERS, *replicate.ROUTERS)


def webhook_bodies(catalogue: Catalogue) -> Bodies:
    """The bodies that dialects' clients expect of webhooks, by the name in `Webhook.body`."""
    return {webhooks.NAME: partial(webhooks.webhook_body, catalogue)}
