"""Who is connected, in every server process, and the end of a connection by a person's word.

The processes meet in the database, so that it works without a channel layer too: each looks every
second whether it is asked for a list or to end a connection, and writes nothing else. Where a layer
reaches the others, they are told to look now.
"""
