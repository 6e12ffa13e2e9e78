"""What every room may use: settings, the error tree, names, logging. Imports no other room."""
