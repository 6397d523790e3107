"""Asks one URL over one kept connection, again and again, and writes down on which connection and with what result."""
import http.client, os, ssl, sys, time

host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
told = open(path, "a", buffering=1)
number, connection = 0, None
while not os.path.exists(path + ".stop"):
    try:
        if connection is None:
            number += 1
            connection = http.client.HTTPSConnection(host, port, timeout=10, context=ssl.create_default_context())
        begun = time.monotonic()
        connection.request("GET", "/kept")
        answer = connection.getresponse()
        body = answer.read()
        what = "hello" if b"hello from ORIGIN" in body else "other"
        told.write(f"{number} {answer.status} {what} {time.monotonic() - begun:.2f}\n")
    except (OSError, http.client.HTTPException) as why:
        told.write(f"{number} broken {type(why).__name__} {time.monotonic() - begun:.2f}\n")
        connection.close()
        connection = None
    time.sleep(0.05)
