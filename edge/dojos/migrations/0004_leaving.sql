-- Whoever says over HTTP that they leave has the sockets closed that they opened before. Whose connection was lost keeps
-- what they have open elsewhere.
ALTER TABLE dojo_room_participants ADD COLUMN by_choice boolean NOT NULL DEFAULT false;
