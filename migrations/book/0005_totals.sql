CREATE TABLE `account_totals` (
	`account_id` text NOT NULL,
	`step` text NOT NULL,
	`cut` integer NOT NULL,
	`at` integer NOT NULL,
	`key_id` text NOT NULL,
	`model_id` text NOT NULL,
	`node_id` text NOT NULL,
	`calls` integer NOT NULL,
	`errors` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`tensor_bytes` integer DEFAULT 0 NOT NULL,
	`charge_nanos` integer NOT NULL,
	`operator_nanos` integer NOT NULL,
	`author_nanos` integer NOT NULL,
	`house_nanos` integer NOT NULL,
	PRIMARY KEY(`account_id`, `step`, `cut`, `at`, `key_id`, `model_id`, `node_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `account_totals_charge` ON `account_totals` (`step`,`at`,`charge_nanos`) WHERE cut = 0;--> statement-breakpoint
CREATE TABLE `latencies` (
	`step` text NOT NULL,
	`cut` integer NOT NULL,
	`model_id` text NOT NULL,
	`node_id` text NOT NULL,
	`at` integer NOT NULL,
	`counts` text NOT NULL,
	PRIMARY KEY(`step`, `cut`, `model_id`, `node_id`, `at`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `recounts` (
	`day` integer PRIMARY KEY NOT NULL
);
--> statement-breakpoint
CREATE TABLE `totals` (
	`step` text NOT NULL,
	`cut` integer NOT NULL,
	`model_id` text NOT NULL,
	`node_id` text NOT NULL,
	`at` integer NOT NULL,
	`calls` integer NOT NULL,
	`errors` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`tensor_bytes` integer DEFAULT 0 NOT NULL,
	`charge_nanos` integer NOT NULL,
	`operator_nanos` integer NOT NULL,
	`author_nanos` integer NOT NULL,
	`house_nanos` integer NOT NULL,
	PRIMARY KEY(`step`, `cut`, `model_id`, `node_id`, `at`)
) WITHOUT ROWID;
--> statement-breakpoint
-- What happened before is summed by the cron, day by day.
INSERT INTO `recounts` (`day`) SELECT DISTINCT `hour` - `hour` % 86400000 FROM `rollups_hour`;
