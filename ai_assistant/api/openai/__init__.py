"""OpenAI's APIs as this site offers them."""
