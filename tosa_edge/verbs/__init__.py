"""What each verb of the command line does, as a function that a program calls too: `docs/python.md`.

One file per verb, `compare.py` for `bench --against`, and what several of them need. The command line turns
words into arguments, calls the function, and prints what it gave. Nothing here prints: what is worth saying
meanwhile goes to `say`, how far it is to `on_step`.
"""
