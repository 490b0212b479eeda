"""Operating a site: what is looked at to say whether all is well, and the commands that say it."""
