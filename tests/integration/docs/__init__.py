"""Pages of docs that are followed, command by command."""
