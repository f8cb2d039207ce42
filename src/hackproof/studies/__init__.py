"""One file per paper: what is compared, and what the paper claims."""
