"""The endpoint as a whole: what each mode is made of, in which order it starts and ends."""
