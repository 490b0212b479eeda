"""The providers that are asked through litellm. A process imports litellm when it first asks one of them; the worker does so when it starts."""
