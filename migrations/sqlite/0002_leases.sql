-- Who rebuilds a desk's availability view has it for a while, and a connector is attended as long as some replica says so.
ALTER TABLE desk_head ADD COLUMN loader_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscription ADD COLUMN lease_until INTEGER NOT NULL DEFAULT 0;
