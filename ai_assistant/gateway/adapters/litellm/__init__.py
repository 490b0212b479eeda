"""The providers that are asked through litellm, which is imported with the first of them."""
