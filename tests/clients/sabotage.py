"""Stores that break a promise behind the service's back, by SQL, to see that a whole run under chaos finds it.

They stand for builds of the service with a guard left out: what the service would do wrong without the guard, happens.
"""

# name -> (the invariant that must be found broken, what is done to the database once the desk is there)
SABOTAGE = {
    "entries lost": (
        "I9",
        """
        CREATE FUNCTION lose_entry() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.kind IS NOT NULL AND random() < 0.005 THEN RETURN NULL; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER lose_entry BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION lose_entry();
        """,
    ),
    # A repeated request finds no answer, and is carried out again.
    "requests forgotten": (
        "I4",
        """
        CREATE FUNCTION forget_request() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM dedup WHERE tenant = NEW.tenant AND caller = NEW.caller AND method = NEW.method AND key = NEW.key;
            RETURN NULL;
        END $$;
        CREATE TRIGGER forget_request AFTER UPDATE ON dedup FOR EACH ROW EXECUTE FUNCTION forget_request();
        """,
    ),
    # The rows say that there is room for ten calls; the log, that there is for one.
    "capacity ignored": (
        "I2",
        """
        UPDATE agent SET body = jsonb_set(jsonb_set(body::jsonb,
            '{profile,pools}', '{"live": 1000, "deferred": 1000}', true),
            '{profile,channels}', coalesce(body::jsonb #> '{profile,channels}', '{}') || '{"phone": {"max": 10}}', true)::text;
        """,
    ),
    "generations repeated": (
        "I10",
        """
        CREATE FUNCTION repeat_generation() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.generation := least(NEW.generation, 1);
            RETURN NEW;
        END $$;
        CREATE TRIGGER repeat_generation BEFORE UPDATE ON subscription FOR EACH ROW EXECUTE FUNCTION repeat_generation();
        """,
    ),
}
