"""What every other room needs: checks of arguments and columns, the words of errors, groups and times."""
