"""An object store that speaks S3 and lets in one key alone: ``python -m support.s3 BUCKET FOLDER``.

Puts the folder's files into the bucket, prints the environment that reads them, and serves
until its standard input ends. moto checks signatures as AWS does; not in the tests' own environment.
"""

import json
import logging
import os
import sys
from pathlib import Path

import boto3
from moto import settings
from moto.server import ThreadedMotoServer

READ_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
USER = "models"


def main(bucket: str, folder: Path) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    os.environ.update(AWS_ENDPOINT_URL=endpoint, AWS_DEFAULT_REGION="us-east-1")
    os.environ.update(AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="nobody")
    fill(bucket, folder)
    key = make_key()
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0  # from here on it looks at keys
    environment = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
    print(json.dumps(environment), flush=True)
    sys.stdin.read()


def fill(bucket: str, folder: Path) -> None:
    store = boto3.client("s3")
    store.create_bucket(Bucket=bucket)
    for path in folder.rglob("*.*"):
        store.upload_file(str(path), bucket, str(path.relative_to(folder)))


def make_key() -> dict[str, str]:
    users = boto3.client("iam")
    users.create_user(UserName=USER)
    users.put_user_policy(UserName=USER, PolicyName="all", PolicyDocument=json.dumps(READ_ALL))
    found: dict[str, str] = users.create_access_key(UserName=USER)["AccessKey"]
    return found


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
