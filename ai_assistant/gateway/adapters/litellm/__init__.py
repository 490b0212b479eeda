"""The providers that are asked through litellm. A process imports litellm when it asks the first of them."""
