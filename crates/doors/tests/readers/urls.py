"""How curl reads URLs (its URL API, libcurl-url(3)): one JSON string a line in, one JSON array or null a line out."""

import ctypes
import json
import sys

SCHEME, HOST, PORT, PATH, QUERY = 1, 5, 6, 7, 8
DEFAULT_PORT, NON_SUPPORT_SCHEME = 1, 8

curl = ctypes.CDLL("libcurl.so.4")
curl.curl_url.restype = ctypes.c_void_p
curl.curl_url_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
curl.curl_url_get.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.c_uint]
curl.curl_url_cleanup.argtypes = [ctypes.c_void_p]
curl.curl_free.argtypes = [ctypes.c_void_p]


def part(url, which, flags=0):
    found = ctypes.c_void_p()
    if curl.curl_url_get(url, which, ctypes.byref(found), flags) != 0:
        return None
    text = ctypes.string_at(found).decode("utf-8", "surrogateescape")
    curl.curl_free(found)
    return text


def read(text):
    if "\0" in text:
        return None
    url = curl.curl_url()
    try:
        if curl.curl_url_set(url, 0, text.encode(), NON_SUPPORT_SCHEME) != 0:
            return None
        query = part(url, QUERY)
        target = (part(url, PATH) or "") + ("" if query is None else "?" + query)
        return [part(url, SCHEME) or "", part(url, HOST) or "", part(url, PORT, DEFAULT_PORT) or "", target]
    finally:
        curl.curl_url_cleanup(url)


for line in sys.stdin:
    print(json.dumps(read(json.loads(line))))
