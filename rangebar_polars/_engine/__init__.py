"""How Polars is made to do it: sources that it asks for frames, their input, and expressions that Rust computes."""
