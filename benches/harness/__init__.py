"""Measures webjobd beside the machine's limits and beside other supervisors. `benches/run` is the command."""
