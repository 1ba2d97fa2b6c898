"""Who pilots a room, for how long, and who is next: rules without I/O, their store, and what live nodes keep of it."""
