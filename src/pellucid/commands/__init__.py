"""What each command does: a function that returns a document. It prints nothing and knows no options' dashes."""
