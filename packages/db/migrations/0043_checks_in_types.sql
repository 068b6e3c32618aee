-- Every statement that writes runs reads the checks of the table anew, an eighth of what a claim costs, but those of a type only
-- where it writes a column of that type. So what is asked of a single column of runs stands in its type.
CREATE DOMAIN app.run_trigger_type AS text CHECK (char_length(value) BETWEEN 1 AND 100);
CREATE DOMAIN app.run_concurrency_key AS text CHECK (char_length(value) <= 200);
CREATE DOMAIN app.count_from_zero AS integer CHECK (value >= 0);
CREATE DOMAIN app.count_from_one AS integer CHECK (value >= 1);
ALTER TABLE app.workflow_runs
  DROP CONSTRAINT workflow_runs_trigger_type_check,
  DROP CONSTRAINT workflow_runs_concurrency_key_check,
  DROP CONSTRAINT workflow_runs_concurrency_limit_check,
  DROP CONSTRAINT workflow_runs_attempt_count_check,
  DROP CONSTRAINT workflow_runs_max_attempts_check,
  ALTER COLUMN trigger_type TYPE app.run_trigger_type,
  ALTER COLUMN concurrency_key TYPE app.run_concurrency_key,
  ALTER COLUMN concurrency_limit TYPE app.count_from_one,
  ALTER COLUMN attempt_count TYPE app.count_from_zero,
  ALTER COLUMN max_attempts TYPE app.count_from_one;
