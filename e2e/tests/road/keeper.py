"""Asks one URL again and again, over one kept connection or a fresh one each time, and writes down which and the result. Or sends
one body without an end, and writes down when that was cut."""
import http.client, os, ssl, sys, time

host, port, path, fresh = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:] == ["fresh"]
told = open(path, "a", buffering=1)


def endless():
    while True:
        told.write("sent\n")
        yield b"x" * 1024
        time.sleep(0.1)


if sys.argv[4:] == ["endless"]:
    connection = http.client.HTTPSConnection(host, port, timeout=10, context=ssl.create_default_context())
    try:
        connection.request("POST", "/" + os.path.basename(path), endless(), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        told.write("ended\n")
    except OSError as why:
        told.write(f"cut {type(why).__name__}\n")
    sys.exit()
number, connection = 0, None
while not os.path.exists(path + ".stop"):
    try:
        begun = time.monotonic()
        if connection is None:
            number += 1
            connection = http.client.HTTPSConnection(host, port, timeout=10, context=ssl.create_default_context())
        connection.request("GET", "/" + os.path.basename(path))
        answer = connection.getresponse()
        body = answer.read()
        what = "hello" if b"hello from ORIGIN" in body else "other"
        told.write(f"{number} {answer.status} {what} {time.monotonic() - begun:.2f}\n")
        if fresh:
            connection.close()
            connection = None
    except (OSError, http.client.HTTPException) as why:
        told.write(f"{number} broken {type(why).__name__} {time.monotonic() - begun:.2f}\n")
        connection.close()
        connection = None
    time.sleep(0.05)
