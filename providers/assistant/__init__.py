"""A language model behind an OpenAI-compatible endpoint, which proposes typed intents."""
