"""Where snapshots are published, as an entry of STORAGES, and how their vectors are stored."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from raya_recs.env import env

VECTORS = ("float32", "bfloat16")


def vectors_of(name: str) -> str:
    """The same, when a snapshot can store vectors so. Raises ImproperlyConfigured."""
    if name not in VECTORS:
        raise ImproperlyConfigured(f"SNAPSHOT_VECTORS is {name!r}; it must be one of {', '.join(VECTORS)}.")
    return name


def storage_of(address: str) -> dict[str, Any]:
    """The storage behind a folder's path, or behind s3://bucket/folder (needs requirements/s3.txt)."""
    if not address.startswith("s3://"):
        backend = "django.core.files.storage.FileSystemStorage"
        return {"BACKEND": backend, "OPTIONS": {"location": address, "allow_overwrite": True}}
    from botocore.config import Config

    bucket, _, folder = address.removeprefix("s3://").partition("/")
    endpoint = env.str("AWS_ENDPOINT_URL_S3", "")
    config = Config(
        connect_timeout=3,
        read_timeout=10,
        retries={"total_max_attempts": 2, "mode": "standard"},
        # Servers other than Amazon's rarely have a name for each bucket, nor all its checksums: we have ours.
        s3={"addressing_style": "path" if endpoint else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    options = {
        "bucket_name": bucket,
        "location": folder,
        "file_overwrite": True,
        "client_config": config,
        "max_memory_size": 4 * 1024 * 1024,  # of a file on its way; the rest is in a temporary file
        **({"endpoint_url": endpoint} if endpoint else {}),
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
