"""What holds for the whole tree, whoever writes in it: the laws of the design."""
