"""No tables: the console draws what other apps hold."""
