"""The pages: each a function from a `View` (and the parts of its address) to the markup between header and footer."""
