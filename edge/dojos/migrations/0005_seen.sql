-- When a live node last had this person connected, as it says every few seconds: two nodes may each have a connection of
-- one person, and a node may die without a word. Null: nobody has seen them there, the stay began over HTTP.
ALTER TABLE dojo_room_participants ADD COLUMN seen_at timestamptz;
