"""Who uses it: one package a feature, ordered; a row imports only rows below it."""
