"""Replicate's API, as its SDK speaks it: a prediction is a job, and its id is the job's."""

from fastapi import APIRouter

from app.dialects.replicate import account, creating, models, predictions, refusals, streaming, webhooks

ROUTERS: tuple[APIRouter, ...] = (
    creating.router,
    predictions.router,
    streaming.router,
    models.router,
    webhooks.router,
    account.router,
    refusals.router,
)
