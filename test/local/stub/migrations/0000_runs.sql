CREATE TABLE runs (cron TEXT NOT NULL);
--> statement-breakpoint
CREATE INDEX runs_cron ON runs (cron);
