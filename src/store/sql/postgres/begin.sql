BEGIN;
SET LOCAL statement_timeout = 2000;
SET LOCAL lock_timeout = 500;
SET LOCAL idle_in_transaction_session_timeout = 3000
