"""The lingua franca: what is asked, what is answered, what it took. Pure."""
