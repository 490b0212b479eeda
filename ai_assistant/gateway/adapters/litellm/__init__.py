"""The providers that are asked through litellm. A process imports litellm when it first asks one of them. The
app's worker imports it when it starts, if the site has one of them."""
