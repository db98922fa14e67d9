"""The experiments of the papers: which runs they need, and what is drawn and told of them."""
