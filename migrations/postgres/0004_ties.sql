-- While a table is small or was never analysed, all of its indexes cost the same, and the planner takes the newest of them. That has
-- to be the primary key: a plan that looks tickets up through an index of states is kept, and walks the desk for each of them.
ALTER TABLE ticket DROP CONSTRAINT ticket_pkey, ADD PRIMARY KEY (tenant, desk, ticket);
