"""Large content by key: recordings, exports. `port` says what a store can do; `folder` keeps it on a disk."""
