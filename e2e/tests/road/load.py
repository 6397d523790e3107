"""Asks an origin again and again, with the credential of the environment, and writes down what comes back.

load.py HOST PORT OUT REQUESTS: four at once, a line each: the status, or what went wrong.
"""

import http.client
import os
import ssl
import sys
import threading
import time

host, port, out, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
token = os.environ["CRM_TOKEN"]
lock = threading.Lock()
lines = open(out, "w", buffering=1)


def ask(count):
    connection = None
    for _ in range(count):
        try:
            if connection is None:
                connection = http.client.HTTPSConnection(host, port, timeout=20, context=ssl.create_default_context())
            connection.request("GET", "/load", headers={"authorization": "Bearer " + token})
            answer = connection.getresponse()
            answer.read()
            told = str(answer.status)
        except Exception as error:
            connection = None
            told = repr(error)
        with lock:
            lines.write(told + "\n")
        time.sleep(0.02)


threads = [threading.Thread(target=ask, args=(wanted // 4,)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
lines.write("end\n")
