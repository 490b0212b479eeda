"""Anthropic's APIs as this site offers them."""
