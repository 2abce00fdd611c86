"""One class a host: how to lay out jobs for it, start and stop it, ask it for runs and drop folders into it."""
