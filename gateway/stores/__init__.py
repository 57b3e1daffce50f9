"""What must be remembered between exchanges, in one process, on one host, or shared by many."""
