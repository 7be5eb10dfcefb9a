"""OpenAI's Images API: pictures from prompts, edits and variations for whoever has an OpenAI client."""
