"""Sends each request of the list in the first argument with http.client, and prints the list of statuses, or of what
failed. The second argument is the certificate to trust."""

import http.client
import json
import ssl
import sys
from urllib.parse import urlsplit

statuses = []
trust = ssl.create_default_context(cafile=sys.argv[2]) if len(sys.argv) > 2 else None
for request in json.loads(sys.argv[1]):
    url = urlsplit(request["url"])
    connection = (
        http.client.HTTPSConnection(url.netloc, context=trust) if trust else http.client.HTTPConnection(url.netloc)
    )
    try:
        connection.request(request["method"], url.path, b"x" * request["bytes"], request["headers"])
        answer = connection.getresponse()
        answer.read()
        statuses.append(str(answer.status))
    except OSError as error:
        statuses.append(repr(error))
    except http.client.HTTPException as error:
        statuses.append(repr(error))
    finally:
        connection.close()
print(json.dumps(statuses))
