"""Wire languages. A dialect knows no vendor, no URL, no key and no socket."""
