"""The keys that seal what lies in the database: from the settings, or from a file of the data directory."""

from __future__ import annotations

from dojo.data_directory import DataDirectory
from dojo.settings import Settings
from kernel.secrets import MasterKeys


def master_keys(settings: Settings) -> MasterKeys:
    """Those of `identity.master_keys`, or of `keys/master.key`, which is made if it is not there. Raises
    `kernel.secrets.MasterKeyError`."""
    if settings.identity.master_keys:
        return MasterKeys.from_base64(settings.identity.master_keys)
    return MasterKeys.load_or_create(DataDirectory(settings.data_dir).path / "keys" / "master.key")
