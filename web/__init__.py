"""What people see: pages, forms, login, the command line, composition of everything."""
